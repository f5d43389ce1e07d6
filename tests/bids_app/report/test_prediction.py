"""The forward model of the page against that of the reconstruction, and the volumes of the viewer."""

from __future__ import annotations

import base64
import gzip
import json

import nibabel as nib
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from bids_app.report.measured import agreements, sharpness, stack_pictures
from bids_app.report.page import json_block
from bids_app.report.prediction import IN_PLANE_FWHM_PIXELS, Placed, StackSlices, interpolated, predict, quadrature
from bids_app.report.viewer import MAX_VOXELS, downsample, pack, viewer_colours
from fetalt2prep.core.geometry import Grid, Rigid, rotation_matrix
from fetalt2prep.core.slice_op import (
    IN_PLANE_FWHM,
    PROFILES,
    SliceOperator,
    blur,
    in_plane_sigma_mm,
    lattice_blur_voxels,
)

SPACING_MM, SHAPE = 1.0, (40, 44, 42)


def blob() -> np.ndarray:
    rng = np.random.default_rng(3)
    values = gaussian_filter(rng.normal(size=SHAPE), 2.0)
    window = np.prod(np.meshgrid(*(np.hanning(n) for n in SHAPE), indexing="ij"), axis=0)
    return np.asarray(1000 * (1 + 3 * values) * window, dtype=np.float32)


@pytest.mark.parametrize("profile", ["box", "gaussian"])
def test_it_predicts_what_the_operator_of_the_reconstruction_predicts(profile: str) -> None:
    volume, voxel_mm, thickness_mm, n_slices = blob(), 1.5, 4.0, 5
    grid = Grid((-20.0, -22.0, -21.0), SPACING_MM, SHAPE)
    affine = np.diag([voxel_mm, voxel_mm, thickness_mm, 1.0])
    affine[:3, 3] = (-9.0, -9.0, -8.0)
    stack = np.zeros((13, 13, n_slices), np.float32)
    index = np.argwhere(np.ones_like(stack, bool))
    points = torch.from_numpy(index @ affine[:3, :3].T + affine[:3, 3])
    slice_idx = torch.from_numpy(index[:, 2])
    rng = torch.Generator().manual_seed(1)
    rotvec = 0.3 * torch.randn(n_slices, 3, generator=rng, dtype=torch.float64)
    centre = torch.zeros(n_slices, 3, dtype=torch.float64)
    poses = Rigid(rotation_matrix(rotvec), torch.randn(n_slices, 3, generator=rng, dtype=torch.float64), centre)
    sigma_mm = in_plane_sigma_mm(voxel_mm)
    operator = SliceOperator(
        grid, 1, poses, PROFILES[profile](torch.full((n_slices,), thickness_mm, dtype=torch.float64), sigma_mm),
        points_mm=points, slice_idx=slice_idx, echo_idx=torch.zeros_like(slice_idx),
        normals=torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64).expand(n_slices, 3),
    )  # fmt: skip
    smooth = blur(torch.from_numpy(volume).double()[None], lattice_blur_voxels(sigma_mm, SPACING_MM))
    gain = np.linspace(0.9, 1.1, n_slices)
    expected = gain[index[:, 2]] * operator.forward(smooth).numpy()
    slices = StackSlices(
        stack=Placed(values=stack, affine=affine), mask=np.ones_like(stack, bool), to_recon=poses.matrix().numpy(),
        gain=gain, thickness_mm=thickness_mm,
    )  # fmt: skip
    found = predict(slices, Placed(values=volume, affine=grid.affine), profile)[tuple(index.T)]
    assert np.sqrt(np.mean((found - expected) ** 2)) < 0.01 * np.sqrt(np.mean(expected**2))


def test_its_constants_are_those_of_the_reconstruction() -> None:
    assert IN_PLANE_FWHM_PIXELS == IN_PLANE_FWHM
    for profile, make in PROFILES.items():
        theirs = make(torch.tensor([4.5], dtype=torch.float64), 0.7)
        offsets, weights = quadrature(4.5, 0.7, profile)
        np.testing.assert_allclose(offsets, theirs.offsets_mm[0], atol=1e-6)
        np.testing.assert_allclose(weights, theirs.weights[0])


def test_nothing_is_predicted_outside_the_mask_or_without_a_pose() -> None:
    stack = Placed(values=np.ones((6, 6, 3), np.float32), affine=np.eye(4))
    mask = np.zeros((6, 6, 3), bool)
    mask[1:4, 1:4] = True
    to_recon = np.tile(np.eye(3, 4), (3, 1, 1))
    to_recon[1] = np.nan
    slices = StackSlices(stack=stack, mask=mask, to_recon=to_recon, gain=np.ones(3), thickness_mm=1.0)
    found = predict(slices, Placed(values=np.ones((8, 8, 8), np.float32), affine=np.eye(4)))
    assert np.isfinite(found[mask][0::3]).all()
    assert np.isnan(found[:, :, 1]).all()
    assert np.isnan(found[~mask]).all()


def test_raw_interpolation_is_the_mean_of_the_stacks_that_are_there() -> None:
    one = Placed(values=np.full((4, 4, 4), 10, np.float32), affine=np.eye(4))
    two = Placed(values=np.full((2, 4, 4), 30, np.float32), affine=np.eye(4))
    points = np.array([[0.5, 1.0, 1.0], [2.5, 1.0, 1.0], [9.0, 1.0, 1.0]])
    np.testing.assert_allclose(interpolated([one, two], points), [20.0, 10.0, np.nan])


def test_sharpness_is_the_slope_over_the_signal() -> None:
    ramp = np.broadcast_to(np.arange(20.0)[:, None, None] + 90, (20, 20, 20)).astype(np.float32)
    mask = np.zeros((20, 20, 20), bool)
    mask[5:16, 5:16, 5:16] = True
    # In two of three planes the signal rises by 1 per 2 mm; its mean is 100 there and, at x = 10, in the third.
    assert sharpness(ramp, mask, (2.0, 2.0, 2.0), (10, 10, 10)) == pytest.approx(100 * 0.5 * 2 / 3 / 100, rel=1e-6)


def test_slices_are_told_apart_and_those_set_aside_do_not_count(make_session) -> None:
    from bids_app.report.derivatives import find_sessions, read_volume

    (session,) = find_sessions(make_session(), "01")
    echoes = []
    for te_ms, path in session.echoes():
        volume = read_volume(path)
        echoes.append((te_ms, Placed(values=volume.values, affine=volume.affine)))
    pictures = stack_pictures(session, echoes)
    assert all(picture.predicted is not None and picture.aside == {2} for picture in pictures)
    found = agreements(pictures)
    assert [round(f.te_ms) for f in found] == [100, 200, 300]
    used = sum(len(f.measured) for f in found)
    with_brain = sum(int(picture.mask.sum()) for picture in pictures)
    of_aside = sum(int(np.take(p.mask, p.place_of(2), axis=p.slice_axis).sum()) for p in pictures)
    assert used == with_brain - of_aside


def unpack(text: str) -> nib.Nifti1Image:
    return nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(text)))


def test_volumes_of_the_viewer_keep_place_and_value() -> None:
    values = np.linspace(0, 500, 6 * 5 * 4, dtype=np.float32).reshape(6, 5, 4)
    values[0, 0, 0] = np.nan
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    image = unpack(pack(values, affine, 4000.0, levels=4000))
    np.testing.assert_allclose(image.affine, affine)
    assert image.get_data_dtype() == np.int16
    np.testing.assert_allclose(image.get_fdata(), np.nan_to_num(values), atol=0.5)
    small = unpack(pack(values, affine, 255.0, levels=255))
    assert small.get_data_dtype() == np.uint8
    assert small.get_fdata().max() == pytest.approx(255.0)


def test_large_volumes_become_means_over_blocks() -> None:
    values = np.ones((150, 130, 121), np.float32)
    values[:, :, 1::2] = 3.0
    values[0:2, 0:2, 0:2] = np.nan
    small, affine = downsample(values, np.eye(4))
    assert small.size <= MAX_VOXELS
    assert small.shape == (75, 65, 61)
    assert np.isnan(small[0, 0, 0])
    assert small[5, 5, 5] == 2.0
    np.testing.assert_allclose(affine @ [0, 0, 0, 1], [0.5, 0.5, 0.5, 1.0])
    assert affine[0, 0] == 2.0


def test_colours_of_the_viewer_are_clear_where_there_is_no_value() -> None:
    for colours in viewer_colours().values():
        assert colours["A"][0] == 0
        assert set(colours["A"][1:]) == {255}
        assert colours["I"] == sorted(colours["I"])
        assert len({len(v) for v in colours.values()}) == 1


def test_data_in_the_page_cannot_end_its_element() -> None:
    block = json_block("volumes-0", {"name": "</script><script>alert(1)</script>"})
    assert "</script" not in block.text
    assert json.loads(block.text)["name"].startswith("</script>")
