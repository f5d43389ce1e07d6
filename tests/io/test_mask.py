from __future__ import annotations

import numpy as np
import pytest

from fetalt2prep.io.mask import corner_distance_mm, load_mask, share_outside
from fetalt2prep.io.sidecar import InputError

from .conftest import AFFINE, SHAPE, Write


def test_tiny_differences_between_headers_are_tolerated(write: Write, brain: np.ndarray) -> None:
    shifted = AFFINE + np.array([[1e-4, 0, 0, 0.05], [0, 0, 0, -0.02], [0, 0, 0, 0], [0, 0, 0, 0]])
    mask, notes = load_mask(write("m.nii.gz", brain, shifted, "uint8"), SHAPE, AFFINE, "a")
    np.testing.assert_array_equal(mask, brain)
    assert notes == []


def test_probabilities_are_cut_at_one_half(write: Write, brain: np.ndarray) -> None:
    values = np.where(brain, 0.8, 0.3)
    np.testing.assert_array_equal(load_mask(write("m.nii.gz", values), SHAPE, AFFINE, "a")[0], brain)


def test_empty_mask(write: Write) -> None:
    with pytest.raises(InputError, match=r"^m\.nii\.gz: the mask of a is empty"):
        load_mask(write("m.nii.gz", np.zeros(SHAPE)), SHAPE, AFFINE, "a")


def test_mask_on_a_finer_grid_is_resampled_and_said(write: Write, brain: np.ndarray) -> None:
    fine = np.repeat(np.repeat(brain, 2, 0), 2, 1)
    affine = AFFINE.copy()
    affine[0, 0] = affine[1, 1] = 0.75
    affine[:2, 3] -= 0.375  # the first fine voxel's centre lies a quarter voxel before the coarse one's
    mask, notes = load_mask(write("m.nii.gz", fine, affine, "uint8"), SHAPE, AFFINE, "a")
    np.testing.assert_array_equal(mask, brain)
    assert notes == [f"mask on another grid (24 x 20 x 6): resampled to the nearest voxel, {brain.sum()} pixels"]


def test_same_shape_at_another_place_is_resampled(write: Write, brain: np.ndarray) -> None:
    affine = AFFINE.copy()
    affine[0, 3] += 3.0  # two voxels
    mask, notes = load_mask(write("m.nii.gz", brain, affine, "uint8"), SHAPE, AFFINE, "a")
    np.testing.assert_array_equal(mask, np.roll(brain, 2, axis=0))
    assert len(notes) == 1


def test_what_lies_outside_the_stack_is_said(write: Write) -> None:
    whole = np.ones(SHAPE, bool)
    affine = AFFINE.copy()
    affine[0, 3] += 0.25 * SHAPE[0] * AFFINE[0, 0]  # a quarter of the mask has left the stack
    mask, notes = load_mask(write("m.nii.gz", whole, affine, "uint8"), SHAPE, AFFINE, "a")
    assert mask.mean() == pytest.approx(0.75)
    assert notes[1:] == ["25 % of the mask lies outside the stack and was left out"]
    assert share_outside(whole, AFFINE, SHAPE, AFFINE) == 0


def test_mask_elsewhere_is_refused_with_both_places(write: Write, brain: np.ndarray) -> None:
    affine = AFFINE.copy()
    affine[2, 3] += 500
    with pytest.raises(InputError, match=r"^m\.nii\.gz: .* outside the stack a: .*\(-1, 0, 500\).*\(-1, 0, 0\)"):
        load_mask(write("m.nii.gz", brain, affine, "uint8"), SHAPE, AFFINE, "a")


def test_corner_distance_by_hand() -> None:
    other = AFFINE.copy()
    other[0, 0] += 0.1  # over 11 steps along x
    assert corner_distance_mm(SHAPE, AFFINE, other) == pytest.approx(1.1)
