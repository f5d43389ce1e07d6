"""From fine samples of a slice to pixels: truncation of k-space, zero filling, and weights along the echo train."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
APODISED_SHARE = 0.15  # outer share of k-space that is rolled off


def truncate_kspace(
    fine: Floats,
    shape: tuple[int, int],
    *,
    acquired: tuple[int, int] | None = None,
    line_weights: Doubles | None = None,
) -> Floats:
    """Keep the centre of k-space: (..., n x, n y) samples -> (x, y) pixels, pixel i on sample n i.

    ``acquired``: matrix that was measured, the rest of ``shape`` is filled with zeros; None: all of it.
    ``line_weights``: (..., y) weight of each line of ``shape`` along the phase-encoded second axis, zero frequency at
    y // 2; leading axes are summed, as are the signals of an echo train that share one basis.
    """
    spectrum = np.fft.fftshift(np.fft.fft2(fine), axes=(-2, -1))
    low = [fine.shape[k - 2] // 2 - shape[k] // 2 for k in range(2)]  # zero frequency lies at n // 2
    centre = spectrum[..., low[0] : low[0] + shape[0], low[1] : low[1] + shape[1]]
    if line_weights is not None:
        centre = (centre * line_weights[..., None, :]).sum(tuple(range(fine.ndim - 2)))
    pixels = np.fft.ifft2(np.fft.ifftshift(centre * kspace_window(shape, acquired))).real
    return np.asarray(pixels * (shape[0] * shape[1] / (fine.shape[-2] * fine.shape[-1])), np.float32)


def kspace_window(shape: tuple[int, int], acquired: tuple[int, int] | None = None) -> Doubles:
    """Weights of the pixels' k-space (x, y): rolled off at the border of what was acquired, 0 outside."""
    kept = shape if acquired is None else acquired
    too_many = [k for k in range(2) if not 1 <= kept[k] <= shape[k]]
    if too_many:
        raise ValueError(f"the acquired matrix is {kept}; it must lie between 1 and the image's {shape}.")
    return np.asarray(_apodisation(shape[0], kept[0])[:, None] * _apodisation(shape[1], kept[1]))


def colour_noise(noise: NDArray[np.complex64], acquired: tuple[int, int]) -> NDArray[np.complex64]:
    """White noise (x, y, slice) as zero filling leaves it: none outside the acquired matrix, the same variance."""
    window = kspace_window((noise.shape[0], noise.shape[1]), acquired)
    spectrum = np.fft.fft2(noise, axes=(0, 1)) * np.fft.ifftshift(window)[..., None]
    coloured = np.fft.ifft2(spectrum, axes=(0, 1)) / np.sqrt(np.mean(window**2))
    return np.asarray(coloured, np.complex64)


def _apodisation(n: int, kept: int) -> Doubles:
    """Flat window with a raised-cosine roll-off in the outer share of ``kept`` lines, DC at n // 2."""
    radius = np.abs(np.arange(n) - n // 2) / (kept / 2)
    into_edge = np.clip((radius - (1.0 - APODISED_SHARE)) / APODISED_SHARE, 0.0, 1.0)
    return np.asarray(0.5 * (1.0 + np.cos(np.pi * into_edge)))
