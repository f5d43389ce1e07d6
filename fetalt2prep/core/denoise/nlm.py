"""Non-local means in each slice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MARGIN_PIXELS = 12
"""Half a patch plus the search distance, and some: the border of the box does not reach the mask."""


def denoise_nlm(
    pixels: NDArray[np.float32],
    sigma: float,
    mask: NDArray[np.bool_] | None = None,
    *,
    strength: float = 0.6,
    patch_pixels: int = 5,
    search_pixels: int = 7,
) -> NDArray[np.float32]:
    """Average each pixel with those of its slice whose surroundings look alike.

    Parameters
    ----------
    pixels
        (x, y, slice), any units.
    sigma
        Standard deviation of the noise in the same units (:func:`.noise.estimate_noise_sigma`).
    mask
        (x, y, slice). Each slice is denoised in the mask's bounding box with a margin, for speed; what lies
        outside is returned as it came. None: everywhere.
    strength
        Decay of the weights with patch distance, in multiples of ``sigma``.
    patch_pixels, search_pixels
        Edge of a patch, and farthest distance at which patches are compared.

    Returns
    -------
    ndarray
        (x, y, slice) on the scale of the input: ``denoise(c * x, c * sigma) == c * denoise(x, sigma)``. No
        slice and no stack is rescaled by itself.

    Notes
    -----
    Buades et al. 2005, doi:10.1109/CVPR.2005.38; scikit-image's implementation, with the noise's own part of
    the patch distance taken off. Slices are denoised one by one because neighbours were acquired at other
    times and poses. The mean of magnitude (Rician) noise at low signal is above the true signal; averaging
    keeps that bias, it does not remove it: below a signal-to-noise ratio of about three the result is too
    bright.
    """
    from skimage.restoration import denoise_nl_means

    denoised = pixels.copy()
    if sigma <= 0:
        return denoised
    for index in range(pixels.shape[2]):  # scikit-image works on one image at a time
        box = _box(None if mask is None else mask[:, :, index], pixels.shape[:2])
        if box is None:
            continue
        denoised[(*box, index)] = denoise_nl_means(
            pixels[(*box, index)].astype(np.float64),
            patch_size=patch_pixels,
            patch_distance=search_pixels,
            h=strength * sigma,
            sigma=sigma,
            fast_mode=True,
            preserve_range=True,
        )
    return denoised


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
