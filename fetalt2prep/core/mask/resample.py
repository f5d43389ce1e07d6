"""Between a stack's own pixels and the square ones in which a brain is looked for; slices stay as they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float32]


def to_square_pixels(pixels: NDArray[np.float32], spacing_mm: NDArray[np.float64], pixel_mm: float) -> Floats:
    """In-plane isotropic, (x, y, slice), after a blur that a coarser pixel asks for."""
    blur = [0.35 * pixel_mm / size if size < 0.9 * pixel_mm else 0.0 for size in spacing_mm[:2]]
    smooth = ndimage.gaussian_filter(np.asarray(pixels, dtype=np.float32), (*blur, 0.0))
    size = [max(3, round(n * mm / pixel_mm)) for n, mm in zip(pixels.shape[:2], spacing_mm, strict=False)]
    factors = (size[0] / pixels.shape[0], size[1] / pixels.shape[1], 1.0)
    return np.asarray(ndimage.zoom(smooth, factors, order=1, grid_mode=True, mode="nearest"), dtype=np.float32)


def from_square_pixels(values: NDArray[np.generic], shape: tuple[int, ...]) -> Floats:
    """Linearly interpolated values on the stack's own pixels, (x, y, slice)."""
    factors = [n / m for n, m in zip(shape, values.shape, strict=True)]
    fine = ndimage.zoom(values.astype(np.float32), factors, order=1, grid_mode=True, mode="nearest")
    return np.asarray(fine, dtype=np.float32)


def signal_percentile(image: Floats, percent: float) -> float:
    """Percentile of what is not air: of pixels above a twentieth of the brightest; 0 without any."""
    signal = image[image > 0.05 * np.percentile(image, 99.5)]
    return float(np.percentile(signal, percent)) if signal.size else 0.0
