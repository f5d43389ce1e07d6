"""How far measured magnitudes are from a signal, for two kinds of noise: what a fit by maximum likelihood needs.

``gaussian`` and ``rician`` give, element by element of tensors (*,) that broadcast, the negative logarithm of the
likelihood up to a constant, and its first and second derivative by the signal. All signals are in one unit, weights in
its inverse square.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

TABLE_END = 12.0
TABLE_STEP = 0.02


def gaussian(signal: Tensor, measured: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Normal noise; ``weight`` is the inverse variance, 0 for a measurement that does not count."""
    misfit = signal - measured
    score = weight * misfit
    return 0.5 * score * misfit, score, weight


def rician(signal: Tensor, measured: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Magnitude of a complex number with normal noise in both parts; ``weight`` as in :func:`gaussian`.

    ``p(M) = M w exp(-w (M^2 + S^2) / 2) I0(w M S)``, w = 1 / sigma^2 (Gudbjartsson and Patz 1995,
    doi:10.1002/mrm.1910340618).
    """
    argument = weight * measured * signal
    bessel = torch.special.i0e(argument)
    ratio = torch.special.i1e(argument) / bessel
    loss = 0.5 * weight * (signal - measured).square() - torch.log(bessel)
    slope = torch.where(argument > 1e-8, 1.0 - ratio / argument - ratio.square(), 0.5)  # derivative of the ratio
    return loss, weight * (signal - measured * ratio), weight * (1.0 - weight * measured.square() * slope)


def rician_information(snr: Tensor) -> Tensor:
    """Fisher's information of one magnitude about its signal, in units of 1 / sigma^2; 0 at no signal, 1 far above.

    snr: signal over sigma, (*,) -> (*,). Linear between values integrated once.
    """
    table = _information_table().to(snr)
    place = (snr / TABLE_STEP).clamp(0, len(table) - 1.001)
    low = place.long()
    share = place - low
    near = table[low] * (1 - share) + table[low + 1] * share
    return torch.where(snr < TABLE_END, near, 1.0 - 0.5 / snr.clamp(min=1.0).square())


@cache
def _information_table() -> Tensor:
    """``E[(M I1/I0(M s))^2] - s^2`` for s = 0 .. TABLE_END, by the trapezium rule over M, float64."""
    s = torch.arange(0.0, TABLE_END + 1.5 * TABLE_STEP, TABLE_STEP, dtype=torch.float64)[:, None]
    m = torch.linspace(0.0, TABLE_END + 8.0, 4001, dtype=torch.float64)[None]
    bessel = torch.special.i0e(m * s)
    density = m * torch.exp(-0.5 * (m - s).square()) * bessel
    pull = m * torch.special.i1e(m * s) / bessel
    return (torch.trapezoid(density * pull.square(), m, dim=1) - s[:, 0].square()).clamp(min=0.0)


def rician_mean(signal: Tensor, sigma: Tensor | float) -> Tensor:
    """Expected magnitude of a signal in noise: ``sigma sqrt(pi/2) L_1/2(-S^2 / 2 sigma^2)``, above the signal.

    signal: (*,), not negative; sigma: of each part of the complex signal, in the same unit.
    """
    half = (signal / sigma).square() / 4
    laguerre = (1 + 2 * half) * torch.special.i0e(half) + 2 * half * torch.special.i1e(half)
    return sigma * (torch.pi / 2) ** 0.5 * laguerre
