"""Guides are brought to the maps, and a registration that is no better than none is not taken."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from fetalt2prep.itk.place_guide import bring, place_guide
from fetalt2prep.itk.resample import resample, resample_sharp
from fetalt2prep.itk.rigid import matrix_ras
from fetalt2prep.itk.volume import Volume

SHAPE = (40, 44, 30)
AFFINE = np.diag([1.5, 1.5, 1.5, 1.0])


def picture() -> tuple[np.ndarray, np.ndarray]:
    """Blobs inside an ellipsoid, and the ellipsoid."""
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij"))
    inside = (grid**2).sum(0) < 0.8
    blobs = gaussian_filter(np.random.default_rng(0).normal(size=SHAPE), 2.5)
    return (inside * (1.0 + 8.0 * blobs)).clip(0).astype(np.float32), inside


def moved(motion: np.ndarray) -> Volume:
    values, _ = picture()
    # Another contrast: dark where the maps are bright, so that correlation alone would not do.
    return Volume((values > 0) * (2.0 - 0.9 * values).astype(np.float32), motion @ AFFINE)


@pytest.mark.parametrize(("turn_deg", "shift_mm"), [((0, 0, 0), (3, 0, 0)), ((8, -5, 10), (2, -4, 3))])
def test_a_moved_guide_of_another_contrast_is_found(
    turn_deg: tuple[float, float, float], shift_mm: tuple[float, float, float]
) -> None:
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_euler("xyz", turn_deg, degrees=True).as_matrix()
    motion[:3, 3] = shift_mm
    values, inside = picture()
    found = place_guide(Volume(values, AFFINE), moved(motion), inside)
    assert found.taken, found.why
    points = np.argwhere(inside) @ AFFINE[:3, :3].T
    off = points @ (matrix_ras(found.transform) - motion)[:3, :3].T + (matrix_ras(found.transform) - motion)[:3, 3]
    assert np.linalg.norm(off, axis=1).mean() < 0.5
    assert found.likeness[1] > found.likeness[0]
    assert found.account()["maps_to_guide"][3] == [0, 0, 0, 1]


def test_a_guide_in_its_place_is_left_there_untouched() -> None:
    values, inside = picture()
    guide = moved(np.eye(4))
    found = place_guide(Volume(values, AFFINE), guide, inside)
    assert not found.taken
    assert found.why
    assert bring(guide, Volume(values, AFFINE), found) is guide.values


def test_noise_is_not_registered() -> None:
    values, inside = picture()
    noise = np.random.default_rng(1).uniform(1, 2, SHAPE).astype(np.float32)
    found = place_guide(Volume(values, AFFINE), Volume(noise, AFFINE), inside)
    assert not found.taken or found.likeness[1] > found.likeness[0]
    assert found.moved_mm < 30


def test_a_guide_elsewhere_in_the_scanner_does_not_fail() -> None:
    values, inside = picture()
    far = np.eye(4)
    far[0, 3] = 400.0
    found = place_guide(Volume(values, AFFINE), moved(far), inside)
    assert found.taken  # its centre of mass is a start
    assert np.abs(matrix_ras(found.transform)[:3, 3] - far[:3, 3]).max() < 2


def test_a_sharp_resampling_keeps_more_detail_and_no_negative_value() -> None:
    values, _ = picture()
    fine = Volume(values, AFFINE)
    half = AFFINE.copy()
    half[:3, 3] = 0.75
    there = sitk.Euler3DTransform()
    once = [how(fine, Volume(values, half), there) for how in (resample, resample_sharp)]
    back = [how(Volume(one, half), fine, there) for how, one in zip((resample, resample_sharp), once, strict=True)]
    inner = (slice(5, -5),) * 3
    errors = [np.abs(one - values)[inner].mean() for one in back]
    assert errors[1] < 0.8 * errors[0]
    assert min(one.min() for one in once) >= 0
