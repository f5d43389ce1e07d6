"""Slices that lost signal, against what the other stacks show at the same place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

SMOOTH_MM = 4.0
"""Blur of both pictures in the slice, so that a head out of place by a few millimetres is no loss."""
LOST_BELOW = 0.6
"""Of the signal expected: coil and gain change slowly and by less."""
DROPPED_SHARE = 0.05
"""A slice has dropped signal when more of its brain than this is lost."""
LEAST_AREA_MM2 = 300.0
"""Caps of the brain, where a little motion changes everything, are not judged."""


def lost_share(
    picture: NDArray[np.floating],
    expected: NDArray[np.floating],
    mask: NDArray[np.bool_],
    spacing_mm: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Share of each slice's mask whose signal is lost, (slice,); NaN where a slice cannot be judged.

    Parameters
    ----------
    picture, expected
        (x, y, slice), on one scale but for a factor; ``expected`` NaN where no other stack has pixels.
    mask
        (x, y, slice).
    spacing_mm
        (3,).
    """
    known = mask & np.isfinite(expected)
    if not known.any():
        return np.full(mask.shape[2], np.nan)
    sigma = (SMOOTH_MM / spacing_mm[0], SMOOTH_MM / spacing_mm[1], 0.0)
    seen, told = (ndimage.gaussian_filter(np.where(known, array, 0.0), sigma) for array in (picture, expected))
    ratio = np.where(known, seen / np.maximum(told, 1e-6), np.nan)
    lost = known & (ratio < LOST_BELOW * np.nanmedian(ratio))
    n_known = known.sum((0, 1))
    area_mm2 = n_known * float(np.prod(spacing_mm[:2]))
    return np.where(area_mm2 >= LEAST_AREA_MM2, lost.sum((0, 1)) / np.maximum(n_known, 1), np.nan)
