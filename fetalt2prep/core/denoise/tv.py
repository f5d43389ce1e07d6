"""Total-variation denoising in each slice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.core.denoise.slicewise import Plane, continued, in_each_slice

N_STEPS, TOLERANCE = 200, 1e-4


def denoise_tv(
    pixels: NDArray[np.float32],
    sigma: float,
    mask: NDArray[np.bool_] | None = None,
    *,
    strength: float = 0.6,
) -> NDArray[np.float32]:
    """Smallest total variation that stays near the pixels: ``|u - pixels|^2 / 2 + strength sigma TV(u)``.

    pixels, sigma, mask and the scale of the result as in :func:`.nlm.denoise_nlm`; ``strength`` in multiples of
    ``sigma``. Edges stay where they are, while small bright or dark spots lose contrast: a disk of radius r changes
    by ``2 strength sigma / r``. So that the border of the mask is no such edge, the pixels inside are continued across
    it, and those outside are returned as they came.

    Chambolle 2004, doi:10.1023/B:JMIV.0000011325.36760.1e; scikit-image's implementation.
    """
    from skimage.restoration import denoise_tv_chambolle

    if sigma <= 0:
        return pixels.copy()

    def denoise(plane: Plane) -> Plane:
        return denoise_tv_chambolle(plane, weight=strength * sigma, eps=TOLERANCE, max_num_iter=N_STEPS)

    if mask is None:
        return in_each_slice(pixels, None, denoise)
    return np.where(mask, in_each_slice(continued(pixels, mask), mask, denoise), pixels)
