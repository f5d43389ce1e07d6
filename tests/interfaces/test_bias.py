"""N4 on stacks that a strong coil has shaded, and what that does to T2."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from fetalt2prep.core.recon.joint import reconstruct
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.core.t2.weighted_loglinear import fit_weighted_loglinear
from fetalt2prep.interfaces.bias import BiasField
from fetalt2prep.io.stack import load_stack

from .conftest import SessionFiles, ellipsoid

MAX_SHIFT = 0.01  # of T2


def world_mm(image: nib.Nifti1Image) -> np.ndarray:
    return np.moveaxis(np.indices(image.shape), 0, -1) @ image.affine[:3, :3].T + image.affine[:3, 3]


def log_coil(points_mm: np.ndarray) -> np.ndarray:
    """Four times as bright on one side as on the other, and brighter towards the outside."""
    x, y, z = np.moveaxis(points_mm / 17.0, -1, 0)
    return 0.7 * x - 0.2 * y + 0.3 * z**2


@pytest.fixture
def shaded(session_files: SessionFiles, tmp_path: Path) -> SessionFiles:
    """The stacks of the session, with tissue of another T2 in the middle, as they are and as the coil shows them."""
    folder = tmp_path / "shaded"
    folder.mkdir()
    files = []
    for path, te_s in zip(session_files.stacks, session_files.echo_times_s, strict=True):
        image = nib.load(path)
        points = world_mm(image)
        other = np.exp(te_s / 0.2 - te_s / 0.13)  # T2 130 ms in place of 200
        pixels = image.get_fdata() * np.where(ellipsoid(points, 0.5), other, 1)
        nib.save(nib.Nifti1Image(pixels.astype("f4"), image.affine), path)
        files.append(str(folder / Path(path).name))
        nib.save(nib.Nifti1Image((pixels * np.exp(log_coil(points))).astype("f4"), image.affine), files[-1])
    return SessionFiles(**{**vars(session_files), "stacks": files})


@pytest.fixture
def found(shaded: SessionFiles):
    inputs = {"in_files": shaded.stacks, "masks": shaded.masks, "echo_times_s": shaded.echo_times_s}
    return BiasField(**inputs).run().outputs


def test_the_field_is_found_and_shared_by_all_stacks(shaded: SessionFiles, found) -> None:
    coarse = nib.load(found.field_file)
    outside_in, errors, spread = np.linalg.inv(coarse.affine), [], []
    for before, after, mask in zip(shaded.stacks, found.out_files, shaded.masks, strict=True):
        image, inside = nib.load(before), nib.load(mask).get_fdata() > 0
        taken_off = image.get_fdata() / np.maximum(nib.load(after).get_fdata(), 1e-6)
        points = world_mm(image)[inside]
        place = points @ outside_in[:3, :3].T + outside_in[:3, 3]
        stored = map_coordinates(np.log(coarse.get_fdata()), place.T, order=1, mode="nearest")
        np.testing.assert_allclose(np.log(taken_off[inside]), stored, atol=0.01)
        errors.append(np.log(taken_off[inside]) - log_coil(points))
        spread.append(log_coil(points))
    assert np.concatenate(errors).std() < 0.4 * np.concatenate(spread).std()
    levels = json.loads(Path(found.info_file).read_text())["percentiles"]
    assert levels["1"] < 0.8 < levels["50"] < 1.2 < levels["99"]


def regions_of(files: list[str], session: SessionFiles) -> tuple[list[float], float]:
    """Reconstructed on a coarse lattice: median T2 (s) of middle and shell, spread of the shell's log echo."""
    stacks = [
        load_stack(Path(image), Path(mask), te_s=te_s, thickness_mm=4.0)[0]
        for image, mask, te_s in zip(files, session.masks, session.echo_times_s, strict=True)
    ]
    recon = reconstruct(stacks, ReconOptions(resolution_mm=3.0))
    t2_s = fit_weighted_loglinear(torch.from_numpy(recon.echoes), torch.from_numpy(recon.te_s)).t2_s.numpy()
    points = np.moveaxis(np.indices(recon.mask.shape), 0, -1) @ recon.affine[:3, :3].T + recon.affine[:3, 3]
    middle, shell = ellipsoid(points, 0.3), ellipsoid(points, 0.85) & ~ellipsoid(points, 0.65)
    return [float(np.median(t2_s[where])) for where in (middle, shell)], float(np.log(recon.echoes[0][shell]).std())


def test_t2_moves_by_less_than_one_percent_and_the_echoes_lose_the_shade(
    session_files: SessionFiles, shaded: SessionFiles, found
) -> None:
    """Against the same stacks without a coil: what the engine makes of both, and T2 is told apart all the same."""
    plain, plain_spread = regions_of(session_files.stacks, session_files)
    mended, mended_spread = regions_of(found.out_files, shaded)
    np.testing.assert_allclose(mended, plain, rtol=MAX_SHIFT)
    assert plain[0] < 0.8 * plain[1]
    assert mended_spread < plain_spread + 0.4 * 0.4  # the coil's own is 0.4
