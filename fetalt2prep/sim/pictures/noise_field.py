"""Smooth random fields: what makes shapes irregular and tissue uneven."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.sim.subject import upsample

Floats = NDArray[np.float32]


def draw_smooth(
    rng: np.random.Generator, shape: tuple[int, int, int], spacing_mm: tuple[float, ...], scale_mm: float
) -> Floats:
    """A random field (x, y, slice) of about unit variance that changes over ``scale_mm``."""
    extents = [n * mm for n, mm in zip(shape, spacing_mm, strict=True)]
    coarse = tuple(int(extent / scale_mm) + 3 for extent in extents)
    values = rng.standard_normal(coarse).astype(np.float32)
    to_coarse = np.diag([mm / scale_mm for mm in spacing_mm] + [1.0])
    to_coarse[:3, 3] = rng.uniform(0, 1, 3)
    return np.asarray(upsample(values, to_coarse, shape) * np.float32(1.5), np.float32)


def draw_partition(
    rng: np.random.Generator, shape: tuple[int, int, int], spacing_mm: tuple[float, ...], scale_mm: float, n_parts: int
) -> NDArray[np.uint8]:
    """Irregular regions (x, y, slice), numbered from 0: the bins of one field, cut by the sign of another."""
    first = draw_smooth(rng, shape, spacing_mm, scale_mm)
    second = draw_smooth(rng, shape, spacing_mm, scale_mm * rng.uniform(0.5, 1.5))
    bins = np.digitize(first, np.linspace(-1.3, 1.3, max(n_parts // 2, 1) - 1 or 1))
    return np.asarray((2 * bins + (second > 0)) % n_parts, np.uint8)
