from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fetalt2prep.core.mask.agreement import distance_from_others_mm
from fetalt2prep.core.mask.classical import find_brain
from fetalt2prep.core.mask.guess import BrainGuess
from fetalt2prep.core.mask.track import ellipsoid_overlap

SHAPE = (110, 100, 26)
AFFINE = np.diag([1.5, 1.5, 4.0, 1.0])
CENTRE_MM = np.array([70.0, 80.0, 50.0])
RADII_MM = np.array([34.0, 42.0, 33.0])


def phantom(seed: int = 0, *, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """A head with skull, ventricles and cortex in fluid, in a body with a bladder, and its brain mask."""
    points = np.moveaxis(np.indices(SHAPE), 0, -1) * np.diag(AFFINE)[:3]

    def within(radii: np.ndarray, centre: np.ndarray = CENTRE_MM) -> np.ndarray:
        return np.linalg.norm((points - centre) / radii, axis=-1) <= 1

    body = within(np.array([80.0, 72.0, 90.0]), np.array([82.0, 75.0, 52.0]))
    image = np.where(body, 90.0, 3.0)
    image[within(RADII_MM + 16)] = 260.0  # fluid
    image[within(np.array([16.0, 16.0, 18.0]), np.array([125.0, 100.0, 60.0]))] = 280.0  # bladder
    image[within(RADII_MM + 5)] = 25.0  # skull and scalp
    brain = within(RADII_MM)
    image[brain] = 230.0
    image[within(RADII_MM - 5)] = 120.0
    image[within(RADII_MM - 9)] = 170.0
    image[within(np.array([8.0, 14.0, 9.0]))] = 250.0
    noise = np.random.default_rng(seed).normal(0, 6, (2, *SHAPE))
    return (scale * np.hypot(image + noise[0], noise[1])).astype(np.float32), brain


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


@pytest.fixture(scope="module")
def guess() -> BrainGuess:
    return find_brain(phantom()[0], AFFINE)


def test_a_phantom_head_is_found(guess: BrainGuess) -> None:
    assert dice(guess.mask, phantom()[1]) > 0.9
    assert guess.confidence > 0.5
    assert guess.reasons[0].startswith("volume ")


@pytest.mark.parametrize("factor", [2.0**-6, 2.0**10])
def test_intensity_scale_does_not_matter(guess: BrainGuess, factor: float) -> None:
    found = find_brain(phantom(scale=factor)[0], AFFINE)
    np.testing.assert_array_equal(found.mask, guess.mask)
    assert found.confidence == guess.confidence


def test_orientation_of_the_axes_does_not_matter(guess: BrainGuess) -> None:
    found = find_brain(np.ascontiguousarray(phantom()[0][::-1, :, ::-1]), AFFINE @ np.diag([-1.0, 1, -1, 1]))
    assert dice(found.mask[::-1, :, ::-1], guess.mask) > 0.97


def odd_images() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {
        "constant": np.full((40, 40, 8), 7.0),
        "zero": np.zeros((40, 40, 8)),
        "noise": rng.rayleigh(10, (60, 60, 8)),
        "one slice": rng.uniform(0, 9, (40, 40, 1)),
        "one pixel": np.ones((1, 1, 1)),
        "thin": rng.uniform(0, 9, (200, 2, 8)),
        "one bright pixel": np.eye(40)[:, :, None].repeat(4, 2) * [1, 0, 0, 0],
    }


@pytest.mark.parametrize("name", odd_images())
def test_odd_images_are_refused_in_words(name: str) -> None:
    with pytest.raises(ValueError, match="brain"):
        find_brain(odd_images()[name].astype(np.float32), np.diag([2.0, 2.0, 4.0, 1.0]))


def test_a_box_is_no_ellipsoid_and_a_ball_is() -> None:
    axis = np.arange(-15, 16)
    ball = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2) <= 12**2
    bar = np.zeros(ball.shape, bool)
    bar[:, 14:17, 14:17] = True
    bar[14:17, :, 14:17] = True
    assert ellipsoid_overlap(ball, np.ones(3)) > 0.9
    assert ellipsoid_overlap(bar, np.ones(3)) < 0.5


def test_distance_from_others_by_hand() -> None:
    three = np.array([[0.0, 0, 0], [2, 0, 0], [100, 0, 0]])
    far = distance_from_others_mm(three, 60.0)
    np.testing.assert_allclose(far, [1.0, 1.0, 99.0])  # the outlier is measured from the middle of the others
    two = distance_from_others_mm(np.array([[0.0, 0, 0], [0, 80, 0], [np.nan] * 3]), 60.0)
    np.testing.assert_array_equal(two, [80, 80, np.nan])
    np.testing.assert_array_equal(distance_from_others_mm(three[:1], 60.0), [0.0])
    assert np.isnan(distance_from_others_mm(np.full((2, 3), np.nan), 60.0)).all()


@pytest.mark.shared
@pytest.mark.parametrize("case", ["ga24", "ga29"])
def test_simulated_cases(shared: Path, case: str) -> None:
    stem = f"sub-{case}_ses-01_acq-%s_run-1_echo-2"
    for plane in ("ax", "cor", "sag"):
        name = stem % plane
        anat = Path(f"sub-{case}/ses-01/anat")
        image = nib.load(shared / "cases" / case / anat / f"{name}_T2w.nii.gz")
        truth = nib.load(shared / "cases" / case / "derivatives/masks" / anat / f"{name}_desc-brain_mask.nii.gz")
        found = find_brain(image.get_fdata(dtype=np.float32), image.affine)
        assert dice(found.mask, truth.get_fdata() > 0) > 0.85, name
        assert found.confidence > 0.5, name


@pytest.mark.shared
@pytest.mark.parametrize("run", [1, 3, 5])
def test_real_haste_is_located_and_doubted(shared: Path, run: int) -> None:
    """On a whole uterus the place is right and the outline is not: the confidence has to say so."""
    stem = shared / "data" / "fetal-haste-mialsrtk" / f"sub-01_run-{run}_T2w"
    image, truth = nib.load(f"{stem}.nii.gz"), nib.load(f"{stem}_desc-brain_mask.nii.gz").get_fdata() > 0
    found = find_brain(image.get_fdata(dtype=np.float32), image.affine)
    shift = (np.argwhere(found.mask).mean(0) - np.argwhere(truth).mean(0)) * np.linalg.norm(
        image.affine[:3, :3], axis=0
    )
    assert np.linalg.norm(shift) < 20
    assert dice(found.mask, truth) > 0.5
    assert found.confidence < 0.5
