from __future__ import annotations

import gzip
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fetalt2prep.io.sidecar import InputError
from fetalt2prep.io.stack import load_stack, orientation

from .conftest import AFFINE, SHAPE, Write


def test_a_good_stack_comes_as_it_is(write: Write, brain: np.ndarray) -> None:
    pixels = np.random.default_rng(1).integers(0, 2000, SHAPE).astype("int16")
    stack, notes = load_stack(
        write("ax_T2w.nii.gz", pixels, dtype="int16"),
        write("m.nii.gz", brain, dtype="uint8"),
        te_s=0.3,
        thickness_mm=3.5,
        slice_times_s=range(6),
    )
    np.testing.assert_array_equal(stack.pixels, pixels)
    np.testing.assert_array_equal(stack.mask, brain)
    np.testing.assert_allclose(stack.affine, AFFINE)
    assert (stack.name, stack.te_s, stack.thickness_mm) == ("ax_T2w", 0.3, 3.5)
    assert stack.slice_times_s is not None
    assert stack.slice_times_s.tolist() == [0, 1, 2, 3, 4, 5]
    assert notes == []


def test_defaults_are_the_spacing_no_times_and_everything_inside(write: Write) -> None:
    stack, _ = load_stack(write("a.nii.gz"), None, te_s=0.1, slice_times_s=[])
    assert stack.thickness_mm == 4.0
    assert stack.slice_times_s is None
    assert stack.mask.all()


@pytest.mark.parametrize("ending", ["nii.gz", "nii"])
@pytest.mark.parametrize("kept", [0.0, 0.002, 0.5, 0.95])
def test_truncated_file(write: Write, ending: str, kept: float) -> None:
    path = write(f"cut.{ending}", np.random.default_rng(0).normal(100, 9, (40, 40, 20)))
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(InputError, match=rf"^cut\.{ending}: .*again"):
        load_stack(path, None, te_s=0.1)


def test_file_that_is_no_image(tmp_path: Path) -> None:
    path = tmp_path / "text.nii.gz"
    path.write_bytes(gzip.compress(b"not an image" * 100))
    with pytest.raises(InputError, match=r"^text\.nii\.gz: cannot be read"):
        load_stack(path, None, te_s=0.1)


def test_nan_outside_the_mask_becomes_zero_and_inside_is_refused(write: Write, brain: np.ndarray) -> None:
    pixels = np.full(SHAPE, 100.0)
    pixels[0, 0, 0] = np.nan
    mask = write("m.nii.gz", brain, dtype="uint8")
    stack, notes = load_stack(write("a.nii.gz", pixels), mask, te_s=0.1)
    assert stack.pixels[0, 0, 0] == 0
    assert notes == ["1 NaN pixels outside the brain set to 0"]
    pixels[4, 4, 2] = np.inf
    with pytest.raises(InputError, match=r"^a\.nii\.gz: 1 pixels inside the brain mask are NaN"):
        load_stack(write("a.nii.gz", pixels), mask, te_s=0.1)


def test_without_a_mask_nan_is_allowed_in_the_border_only(write: Write) -> None:
    pixels = np.full(SHAPE, 100.0)
    pixels[:2] = np.nan
    stack, _ = load_stack(write("a.nii.gz", pixels), None, te_s=0.1)
    assert (stack.pixels[:2] == 0).all()
    pixels[5, 5, 3] = np.nan
    with pytest.raises(InputError, match="1 pixels inside the image are NaN"):
        load_stack(write("a.nii.gz", pixels), None, te_s=0.1)


def test_few_negative_pixels_become_zero_and_many_are_refused(write: Write) -> None:
    pixels = np.full((40, 40, 4), 100.0)
    mask = write("m.nii.gz", np.ones(pixels.shape), dtype="uint8")
    pixels[0, 0, 0] = -5
    stack, notes = load_stack(write("a.nii.gz", pixels), mask, te_s=0.1)
    assert stack.pixels.min() == 0
    assert notes == ["1 negative pixels set to 0 (1 of them inside the brain mask)"]
    pixels[:2] = -5
    with pytest.raises(InputError, match=r"^a\.nii\.gz: 320 pixels .* negative, down to -5 .*phase"):
        load_stack(write("a.nii.gz", pixels), mask, te_s=0.1)


def test_without_a_mask_background_may_ring_about_zero_but_signal_may_not(write: Write) -> None:
    pixels = np.full(SHAPE, 100.0)
    pixels[:4] = -1.0
    stack, notes = load_stack(write("a.nii.gz", pixels), None, te_s=0.1)
    assert stack.pixels.min() == 0
    assert "negative pixels set to 0" in notes[0]
    pixels[:4] = -60.0
    with pytest.raises(InputError, match="negative"):
        load_stack(write("a.nii.gz", pixels), None, te_s=0.1)


def test_no_signal(write: Write, brain: np.ndarray) -> None:
    with pytest.raises(InputError, match="all pixels inside the image are zero"):
        load_stack(write("a.nii.gz", np.zeros(SHAPE)), None, te_s=0.1)
    with pytest.raises(InputError, match="all pixels inside the brain mask are zero"):
        load_stack(write("a.nii.gz", ~brain), write("m.nii.gz", brain, dtype="uint8"), te_s=0.1)


def test_four_axes_with_one_volume_are_squeezed_with_more_refused(write: Write) -> None:
    stack, notes = load_stack(write("a.nii.gz", np.full((*SHAPE, 1), 9.0)), None, te_s=0.1)
    assert stack.pixels.shape == SHAPE
    assert notes == ["4-D file with one volume: read as 12 x 10 x 6"]
    with pytest.raises(InputError, match=r"^a\.nii\.gz: holds 3 volumes \(shape 12 x 10 x 6 x 3\).*Split"):
        load_stack(write("a.nii.gz", np.full((*SHAPE, 3), 9.0)), None, te_s=0.1)


def test_one_slice_is_accepted_and_said(write: Write) -> None:
    for values in (np.full((12, 10, 1), 9.0), np.full((12, 10), 9.0)):
        stack, notes = load_stack(write("a.nii.gz", values), None, te_s=0.1)
        assert stack.pixels.shape == (12, 10, 1)
        assert "one slice only" in notes


@pytest.mark.parametrize("dtype", ["complex64"])
def test_complex_pixels(write: Write, dtype: str) -> None:
    with pytest.raises(InputError, match="not real numbers"):
        load_stack(write("a.nii.gz", dtype=dtype), None, te_s=0.1)


@pytest.mark.parametrize(("direction", "axis"), [("i", 0), ("j", 1), ("k", 2), ("j-", 1)])
def test_slices_come_last_and_stay_where_they_are(write: Write, brain: np.ndarray, direction: str, axis: int) -> None:
    path = write("a.nii.gz")
    path.with_name("a.json").write_text(json.dumps({"SliceEncodingDirection": direction}))
    stack, notes = load_stack(path, write("m.nii.gz", brain, dtype="uint8"), te_s=0.1)
    raw = nib.load(path).get_fdata()
    assert stack.n_slices == SHAPE[axis]
    assert stack.thickness_mm == pytest.approx(AFFINE[axis, axis])
    assert bool(notes) == (axis != 2)
    assert np.sign(np.linalg.det(stack.affine)) == np.sign(np.linalg.det(AFFINE))
    for index in np.argwhere(stack.mask)[::17]:
        there = np.linalg.inv(AFFINE) @ stack.affine @ [*index, 1]
        i, j, k = np.rint(there[:3]).astype(int)
        np.testing.assert_allclose(there[:3], (i, j, k), atol=1e-9)
        assert stack.pixels[tuple(index)] == np.float32(raw[i, j, k])
        assert brain[i, j, k]


def test_direction_as_an_argument_wins_over_the_sidecar(write: Write) -> None:
    stack, _ = load_stack(write("a.nii.gz"), None, te_s=0.1, direction="i")
    assert stack.n_slices == SHAPE[0]
    with pytest.raises(InputError, match="slice direction is 'x'"):
        load_stack(write("a.nii.gz"), None, te_s=0.1, direction="x")


def test_negative_determinant_is_fine(write: Write, brain: np.ndarray) -> None:
    affine = AFFINE @ np.diag([-1.0, 1, 1, 1])
    stack, notes = load_stack(write("a.nii.gz", affine=affine), write("m.nii.gz", brain, affine, "uint8"), te_s=0.1)
    np.testing.assert_allclose(stack.affine, affine)
    assert notes == []


@pytest.mark.parametrize(
    ("affine", "said"),
    [
        (np.diag([1e-3, 1e-3, 4e-3, 1]), "units of the header"),
        (np.array([[1.5, 1.5, 0, 0], [0, 0.0, 0, 0], [0, 0, 4, 0], [0, 0, 0, 1]]), "no volume"),
    ],
)
def test_impossible_affine(write: Write, affine: np.ndarray, said: str) -> None:
    image = nib.Nifti1Image(np.full(SHAPE, 9.0, "float32"), None)
    image.header["sform_code"] = 1
    image.header["srow_x"], image.header["srow_y"], image.header["srow_z"] = affine[:3]
    path = write("a.nii.gz")
    image.to_filename(path)
    with pytest.raises(InputError, match=rf"^a\.nii\.gz: .*{said}"):
        load_stack(path, None, te_s=0.1)


@pytest.mark.parametrize("te_s", [0.0, 90.0, float("nan")])
def test_echo_time_is_checked_here_too(write: Write, te_s: float) -> None:
    with pytest.raises(InputError, match=r"^a\.nii\.gz: the echo time is"):
        load_stack(write("a.nii.gz"), None, te_s=te_s)


def test_wrong_number_of_slice_times(write: Write) -> None:
    with pytest.raises(InputError, match=r"^a\.nii\.gz: 2 slice times for 6 slices"):
        load_stack(write("a.nii.gz"), None, te_s=0.1, slice_times_s=[0, 1])


def test_orientation_names_the_plane_and_its_angle() -> None:
    assert orientation(AFFINE) == "ax 0 deg"
    assert orientation(AFFINE[:, [1, 2, 0, 3]]) == "sag 0 deg"
    assert orientation(AFFINE[:, [2, 0, 1, 3]]) == "cor 0 deg"
    for angle_deg, said in ((20, "ax 20 deg"), (40, "oblique 40 deg"), (60, "cor 30 deg")):
        c, s = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
        turn = np.array([[1, 0, 0, 0], [0, c, -s, 0], [0, s, c, 0], [0, 0, 0, 1]])
        assert orientation(turn @ AFFINE) == said
