"""Non-local means in each slice, and the bias of magnitude noise taken off afterwards."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from fetalt2prep.core.denoise.nlm import denoise_nlm
from fetalt2prep.core.denoise.slicewise import in_each_slice
from fetalt2prep.core.likelihood import rician_mean

TABLE_END, TABLE_STEP = 20.0, 0.01  # of signal over noise; beyond, sqrt(mean^2 - sigma^2) is exact to 1e-5


def denoise_nlm_rician(
    pixels: NDArray[np.float32], sigma: float, mask: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """:func:`.nlm.denoise_nlm`, then in the same boxes the signal whose magnitude has that mean.

    Arguments and scale as there. What is found is the signal without noise: a reconstruction that follows must not
    model the noise floor again. A plane that carries no noise keeps its values only with a ``sigma`` of 0.
    """
    denoised = denoise_nlm(pixels, sigma, mask)
    if sigma <= 0:
        return denoised
    return in_each_slice(denoised, mask, lambda plane: signal_of_mean(plane, sigma))


def signal_of_mean(mean: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Signal whose Rician magnitude, noise ``sigma`` > 0 in each part, has that mean; 0 below the mean of noise alone.

    Inverse of :func:`fetalt2prep.core.likelihood.rician_mean` (Koay and Basser 2006, doi:10.1016/j.jmr.2006.01.016;
    Foi 2011, doi:10.1109/ISBI.2011.5872758).
    """
    signals, means = _table()
    ratio = mean / sigma
    far = np.sqrt(np.maximum(ratio**2 - 1.0, 0.0))
    return sigma * np.where(ratio < means[-1], np.interp(ratio, means, signals), far)


@cache
def _table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Signals, and the means of their magnitudes, in units of the noise."""
    signals = torch.arange(0.0, TABLE_END + TABLE_STEP, TABLE_STEP, dtype=torch.float64)
    return signals.numpy(), rician_mean(signals, 1.0).numpy()
