"""One slice after the other, each in the surroundings of the mask."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

MARGIN_PIXELS = 12
"""Half a patch plus the search distance, and some: the border of the box does not reach the mask."""
Plane = NDArray[np.float64]


def in_each_slice(
    pixels: NDArray[np.float32], mask: NDArray[np.bool_] | None, denoise: Callable[[Plane], Plane]
) -> NDArray[np.float32]:
    """Denoise each slice in the bounding box of its mask with a margin; what lies outside is returned as it came.

    pixels, mask: (x, y, slice); None: everywhere. ``denoise`` takes and gives one plane (x, y). Neighbouring slices
    were acquired at other times and poses, so none sees another: one that lost its signal stays without.
    """
    denoised = pixels.copy()
    for index in range(pixels.shape[2]):  # each slice has a box of its own
        box = _box(None if mask is None else mask[:, :, index], pixels.shape[:2])
        if box is not None:
            denoised[(*box, index)] = denoise(pixels[(*box, index)].astype(np.float64))
    return denoised


def continued(pixels: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Each pixel outside the mask with the value of the nearest one inside, in its own slice; (x, y, slice)."""
    filled = pixels.copy()
    for index in np.flatnonzero(mask.any(axis=(0, 1))):  # each slice has a mask of its own
        nearest = ndimage.distance_transform_edt(~mask[:, :, index], return_distances=False, return_indices=True)
        filled[:, :, index] = pixels[(*nearest, index)]
    return filled


def _box(mask: NDArray[np.bool_] | None, shape: tuple[int, ...]) -> tuple[slice, slice] | None:
    """Bounding box of a slice's mask with the margin; None when the mask is empty."""
    if mask is None:
        return slice(0, shape[0]), slice(0, shape[1])
    if not mask.any():
        return None
    rows, columns = (np.flatnonzero(mask.any(axis=other)) for other in (1, 0))
    return tuple(  # type: ignore[return-value]
        slice(max(0, int(found[0]) - MARGIN_PIXELS), int(found[-1]) + 1 + MARGIN_PIXELS) for found in (rows, columns)
    )
