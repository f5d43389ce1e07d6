"""A brain mask brought onto the grid of its stack."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fetalt2prep.io.sidecar import InputError
from fetalt2prep.io.volume import read_volume

SAME_GRID = 0.1
"""Grids whose corners differ by less than this share of the smallest voxel edge are the same grid."""
NOTED_OUTSIDE = 0.01
"""A mask of which more than this share lies outside its stack is worth a note."""


def load_mask(
    path: Path, shape: tuple[int, ...], affine: NDArray[np.float64], stack_name: str
) -> tuple[NDArray[np.bool_], list[str]]:
    """Mask (x, y, slice) on the grid given by ``shape`` and ``affine``, and notes. Voxels above 0.5 are
    inside.

    A mask on another grid is resampled to the nearest voxel in world space, which is noted, as is what lies outside.

    Raises
    ------
    InputError
        Unreadable, empty, or nowhere on the stack.
    """
    values, mask_affine, notes = read_volume(path)
    inside = np.asarray(values > 0.5)
    if not inside.any():
        raise InputError(
            f"{path.name}: the mask of {stack_name} is empty. Draw it, or leave it out to have one estimated."
        )
    notes = [f"mask: {note}" for note in notes]
    gap_mm = corner_distance_mm(shape, affine, mask_affine)
    if inside.shape == tuple(shape) and gap_mm < SAME_GRID * np.linalg.norm(affine[:3, :3], axis=0).min():
        return inside, notes
    resampled = resample_nearest(inside, mask_affine, shape, affine)
    if not resampled.any():
        raise InputError(
            f"{path.name}: the mask lies outside the stack {stack_name}: in the scanner its centre is at "
            f"{_centre(inside, mask_affine)} mm, the stack's at {_centre(np.ones(shape, bool), affine)} mm. "
            "Is it the mask of another stack, or was its header changed? Give the stack's own, or leave the masks out "
            "to have them estimated."
        )
    size = " x ".join(map(str, inside.shape))
    notes.append(f"mask on another grid ({size}): resampled to the nearest voxel, {int(resampled.sum())} pixels")
    outside = share_outside(inside, mask_affine, shape, affine)
    if outside > NOTED_OUTSIDE:
        notes.append(f"{100 * outside:.0f} % of the mask lies outside the stack and was left out")
    return resampled, notes


def corner_distance_mm(
    shape: tuple[int, ...], first_affine: NDArray[np.float64], second_affine: NDArray[np.float64]
) -> float:
    """Largest distance in the world between corners of one index box (x, y, z) under two affines (4, 4), mm."""
    corners = np.array(list(product(*((0, n - 1) for n in shape))), dtype=np.float64)
    change = second_affine - first_affine
    return float(np.linalg.norm(corners @ change[:3, :3].T + change[:3, 3], axis=1).max())


def share_outside(
    mask: NDArray[np.bool_],
    mask_affine: NDArray[np.float64],
    shape: tuple[int, ...],
    affine: NDArray[np.float64],
) -> float:
    """Share of the voxels of a mask (x, y, z), 0 to 1, whose centres lie outside the voxels of another grid.

    The grids: their shapes, and affines (4, 4) from index to world, mm.
    """
    mask_to_stack = np.linalg.inv(affine) @ mask_affine
    index = np.argwhere(mask) @ mask_to_stack[:3, :3].T + mask_to_stack[:3, 3]
    return float(np.mean(((index < -0.5) | (index > np.array(shape) - 0.5)).any(axis=1)))


def resample_nearest(
    mask: NDArray[np.bool_],
    mask_affine: NDArray[np.float64],
    shape: tuple[int, ...],
    affine: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Value of a mask (x, y, z) at the voxel centres of the grid of ``shape`` and ``affine``; False outside it."""
    stack_to_mask = np.linalg.inv(mask_affine) @ affine
    taken = ndimage.affine_transform(
        mask.astype(np.uint8),
        stack_to_mask[:3, :3],
        stack_to_mask[:3, 3],
        output_shape=shape,
        order=0,
        mode="constant",
    )
    return np.asarray(taken, dtype=np.bool_)


def _centre(mask: NDArray[np.bool_], affine: NDArray[np.float64]) -> str:
    centre = affine[:3, :3] @ np.argwhere(mask).mean(0) + affine[:3, 3]
    return "(" + ", ".join(f"{round(value)}" for value in centre) + ")"
