"""Noise level of a stack."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fetalt2prep.core.spread import MAD_TO_SIGMA

LAPLACIAN_DIFFERENCE = np.array([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]])
"""Blind to constants, ramps and straight edges along the axes; its squares sum to 36."""
FOREGROUND_LEVEL = 0.1


def estimate_noise_sigma(pixels: NDArray[np.float32], foreground: NDArray[np.bool_] | None = None) -> float:
    """Standard deviation of the noise, one value for the whole stack, in the units of the pixels.

    Parameters
    ----------
    pixels
        (x, y, slice).
    foreground
        (x, y, slice), pixels to judge from. None: those above a tenth of the stack's 99th percentile, because
        noise in the background of a magnitude image is Rayleigh, with 0.66 of the standard deviation.

    Returns
    -------
    float
        0 when nothing can be said: images below 3 x 3, an empty foreground, constant pixels.

    Notes
    -----
    Difference of two Laplacians in each slice (Immerkaer 1996, doi:10.1006/cviu.1996.0060), and the median
    absolute value of its response in the flatter half of the foreground in place of the mean over all (edges
    left out by their Sobel gradient). Scales exactly with the pixels. White noise is assumed: zero-filled
    (interpolated) images have correlated noise, of which this sees less than there is.
    """
    if min(pixels.shape[:2]) < 3:
        return 0.0
    if foreground is None:
        foreground = pixels > FOREGROUND_LEVEL * np.percentile(pixels, 99)
    if not foreground.any():
        return 0.0
    exact = pixels.astype(np.float64)
    response = ndimage.convolve(exact, LAPLACIAN_DIFFERENCE[:, :, None], mode="nearest")
    slope = np.hypot(ndimage.sobel(exact, 0), ndimage.sobel(exact, 1))
    flat = foreground & (slope <= np.median(slope[foreground]))
    judged = np.abs(response[flat])
    return float(MAD_TO_SIGMA * np.median(judged) / 6.0)
