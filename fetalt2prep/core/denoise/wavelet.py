"""Wavelet shrinkage in each slice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fetalt2prep.core.denoise.slicewise import Plane, in_each_slice

N_SCALES = 3
WINDOW_PIXELS = 3  # over which the power of the coefficients is averaged
OVER_NOISE = 1.5  # local power of noise alone exceeds its mean as often as not
PAD_PIXELS = 2 ** (N_SCALES + 1)  # mirrored at the borders: the wavelets reach 2^N_SCALES


def denoise_wavelet(
    pixels: NDArray[np.float32], sigma: float, mask: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """Shrink the Haar coefficients of each slice, of every shift, by what noise makes of their local power.

    pixels, sigma, mask and the scale of the result as in :func:`.nlm.denoise_nlm`. A coefficient is multiplied by
    ``max(0, p - 1.5 s^2) / p``, with ``p`` the mean of its squared neighbours and ``s`` the noise of its scale
    (Mihcak et al. 1999, doi:10.1109/97.803428); all shifts are averaged (Coifman and Donoho 1995,
    doi:10.1007/978-1-4612-2544-7_9). Written here because scikit-image's needs PyWavelets.
    """
    if sigma <= 0:
        return pixels.copy()

    def denoise(plane: Plane) -> Plane:
        padded = np.pad(plane, PAD_PIXELS, mode="symmetric")
        return _shrunk(padded, sigma, 0)[PAD_PIXELS:-PAD_PIXELS, PAD_PIXELS:-PAD_PIXELS]

    return in_each_slice(pixels, mask, denoise)


def _shrunk(plane: Plane, sigma: float, scale: int) -> Plane:
    """The plane from its means and shrunk differences at this scale and those above; sigma: noise of the plane.

    Noise of the four bands of one scale is half that of the plane, for each is a signed mean of four pixels; from one
    scale to the next the means lie twice as far apart, so the noise of those four is independent again.
    """
    if scale == N_SCALES:
        return plane
    step = 2**scale
    bands = [band for part in _split(plane, step, 0) for band in _split(part, step, 1)]
    kept = [_shrunk(bands[0], sigma / 2, scale + 1)]
    for band in bands[1:]:
        power = ndimage.uniform_filter(band**2, WINDOW_PIXELS, mode="wrap")
        kept.append(
            band * np.maximum(power - OVER_NOISE * (sigma / 2) ** 2, 0.0) / np.maximum(power, np.finfo(float).tiny)
        )
    rows = [_joined(kept[0], kept[1], step, 1), _joined(kept[2], kept[3], step, 1)]
    return _joined(rows[0], rows[1], step, 0)


def _split(plane: Plane, step: int, axis: int) -> tuple[Plane, Plane]:
    """Half sum and half difference of each pixel and that ``step`` further."""
    further = np.roll(plane, -step, axis)
    return (plane + further) / 2, (plane - further) / 2


def _joined(means: Plane, differences: Plane, step: int, axis: int) -> Plane:
    """Mean of the two ways back from :func:`_split`: from the pixel itself and from that ``step`` before."""
    return ((means + differences) + np.roll(means - differences, step, axis)) / 2
