"""Non-local means in each slice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.core.denoise.slicewise import Plane, in_each_slice


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
    the patch distance taken off. The mean of magnitude (Rician) noise at low signal is above the true signal;
    averaging keeps that bias, it does not remove it (:func:`.nlm_rician.denoise_nlm_rician` does): below a
    signal-to-noise ratio of about three the result is too bright.
    """
    from skimage.restoration import denoise_nl_means

    if sigma <= 0:
        return pixels.copy()

    def denoise(plane: Plane) -> Plane:
        return denoise_nl_means(
            plane,
            patch_size=patch_pixels,
            patch_distance=search_pixels,
            h=strength * sigma,
            sigma=sigma,
            fast_mode=True,
            preserve_range=True,
        )

    return in_each_slice(pixels, mask, denoise)
