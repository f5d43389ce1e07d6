"""The denoisers of stacks that need no weights, by name, all called alike."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.core.denoise.nlm import denoise_nlm
from fetalt2prep.core.denoise.nlm_rician import denoise_nlm_rician
from fetalt2prep.core.denoise.tv import denoise_tv
from fetalt2prep.core.denoise.wavelet import denoise_wavelet

Denoiser = Callable[[NDArray[np.float32], float, NDArray[np.bool_] | None], NDArray[np.float32]]
"""(pixels (x, y, slice), standard deviation of the noise in their units, mask or None) -> pixels on the same scale."""


def denoise_none(
    pixels: NDArray[np.float32], sigma: float, mask: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """The pixels as they came."""
    return pixels.copy()


REGISTRY: dict[str, Denoiser] = {
    "none": denoise_none,
    "nlm": denoise_nlm,
    "nlm-rician": denoise_nlm_rician,
    "tv": denoise_tv,
    "wavelet": denoise_wavelet,
}
"""Every name in :data:`.options.DENOISERS` but ``unet``: its weights are in a file (:mod:`fetalt2prep.io.denoiser`)."""
