"""A segmentation brought onto the grid of a map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fetalt2prep.io.mask import SAME_GRID, corner_distance_mm
from fetalt2prep.io.sidecar import InputError
from fetalt2prep.io.volume import read_volume


def load_segmentation(
    path: Path, shape: tuple[int, ...], affine: NDArray[np.float64]
) -> tuple[NDArray[np.int32], list[str]]:
    """Labels (x, y, z) on the grid given by ``shape`` and ``affine``, and notes; another grid is resampled to the
    nearest voxel in world space, which is noted.

    Raises
    ------
    InputError
        Not whole numbers, or nowhere on the map.
    """
    values, own_affine, notes = read_volume(path)
    labels = np.rint(values).astype(np.int32)
    if not np.allclose(values, labels, atol=1e-3):
        raise InputError(f"{path.name}: holds numbers between the labels. Was it interpolated? Give the label map.")
    notes = [f"segmentation: {note}" for note in notes]
    smallest = float(np.linalg.norm(affine[:3, :3], axis=0).min())
    if labels.shape == tuple(shape) and corner_distance_mm(shape, affine, own_affine) < SAME_GRID * smallest:
        return labels, notes
    to_own = np.linalg.inv(own_affine) @ affine
    moved = ndimage.affine_transform(labels, to_own[:3, :3], to_own[:3, 3], output_shape=tuple(shape), order=0)
    if not moved.any():
        raise InputError(
            f"{path.name}: no label lies on the map. It must be in the space of the reconstruction: segment its echoes."
        )
    notes.append(f"segmentation on another grid ({' x '.join(map(str, labels.shape))}): resampled to the nearest voxel")
    return np.asarray(moved, dtype=np.int32), notes
