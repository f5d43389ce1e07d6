"""The best precision that echo times allow: Cramer-Rao bound of T2."""

from __future__ import annotations

import torch
from torch import Tensor

from fetalt2prep.core.likelihood import rician_information


def t2_precision(te_s: Tensor, t2_s: Tensor, snr: Tensor | float, *, magnitude: bool = True) -> Tensor:
    """Least standard deviation of T2 over T2 that an unbiased fit of S0 and T2 can have, (*grid), one voxel by itself.

    te_s: (..., echo), seconds, once per acquisition; t2_s: (*grid); snr: S0 over the noise of one acquisition,
    broadcasts to t2_s. Result (..., *grid). Infinite where nothing is left of the signal.

    ``magnitude``: with Fisher's information of Rician magnitudes, which say less near the noise floor; otherwise that
    of normal noise.
    """
    te = te_s.to(torch.float64)[(..., *[None] * t2_s.ndim)]
    t2 = t2_s.to(torch.float64)
    echo = -1 - t2_s.ndim
    signal = torch.exp(-te / t2) * snr  # in units of the noise
    weight = signal.square() * (rician_information(signal) if magnitude else 1.0)
    total = weight.sum(echo, keepdim=True)
    centre = (weight * te).sum(echo, keepdim=True) / total
    spread = (weight * (te - centre).square()).sum(echo)
    return torch.where(spread > 0, t2 / spread.sqrt(), torch.inf)
