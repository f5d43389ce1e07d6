"""N4 on stacks that a strong coil has shaded."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from fetalt2prep.interfaces.bias import BiasField

from .conftest import SessionFiles, ellipsoid


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
