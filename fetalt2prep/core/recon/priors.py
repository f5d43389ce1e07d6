"""What brain tissue is like before a voxel is looked at: priors on R2 and S0, on log-signal (echo, n)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fetalt2prep.core.recon.lattice import Lattice
from fetalt2prep.core.recon.penalty import decay_rate

RATE_WEIGHT = 0.005  # units of chi-square per cube of Slices.unit_mm
DENSITY_WEIGHT = 0.02  # same units
RATE_EDGE_WEIGHT = 0.11  # same units, per face of that cube between signals whose decays differ by a factor of e
BRIGHT = 0.6  # of the typical first echo: tissue, and not bone
FLUID_RATE = 1.2  # 1/s; slower decays are fluid, which is denser than tissue


@dataclass(frozen=True)
class TypicalDecay:
    """Decay of a session's median pixel."""

    log_s0: float  # session scale
    r2: float  # 1/s
    first_signal: float  # at the first echo time, session scale

    def seen_in(self, log_signal: Tensor, te_s: Tensor) -> TypicalDecay:
        """The same with the median log S0 of the points that are tissue by now, if any is."""
        tissue = brightness(log_signal, self) * _solid(log_signal, te_s) > 0.25
        if not bool(tissue.any()):
            return self
        return replace(self, log_s0=float(_log_s0(log_signal, te_s)[tissue].median()))


def prior_cost(log_signal: Tensor, te_s: Tensor, typical: TypicalDecay, lattice: Lattice, unit_mm: float) -> Tensor:
    """All three priors with their weights, a scalar in units of chi-square; sums over points stand for integrals."""
    volume = (lattice.grid.spacing_mm / unit_mm) ** 3
    points = RATE_WEIGHT * rate_prior(log_signal, te_s, typical)
    points = points + DENSITY_WEIGHT * density_prior(log_signal, te_s, typical)
    return volume * points + RATE_EDGE_WEIGHT / unit_mm**2 * rate_edges(log_signal, te_s, typical, lattice)


def rate_prior(log_signal: Tensor, te_s: Tensor, typical: TypicalDecay) -> Tensor:
    """``sum over points of (R2 - typical)^2 / (3 / s)^2``: what R2 is where no slice says anything.

    Bone and air have no decay to measure; what the noise floor leaves there is constant over echo times and would give
    them the longest T2 of all, right beside the cortex.
    """
    return ((decay_rate(log_signal, te_s) - typical.r2) / 3.0).square().sum()


def density_prior(log_signal: Tensor, te_s: Tensor, typical: TypicalDecay) -> Tensor:
    """``sum over points of b (log S0 - typical)^2 / 0.3^2``: brain tissues differ in T2 by far more than in density.

    Water content lies between 0.65 and 1.0 over white matter, grey matter and fluid of adults (Whittall 1997, Magn
    Reson Med 37:34, and those after it), T2 between 0.1 and 2 s. So thin tissue that the slices mix with its neighbours
    gets the T2 that goes with a usual S0, instead of any pair of S0 and T2 with the same mean signal. ``b`` is
    :func:`brightness`, for nothing is known of the density of bone and its partial volumes; and it fades in fluid,
    which is denser than tissue and bright enough to need no prior.
    """
    share = brightness(log_signal, typical) * _solid(log_signal, te_s)
    return (share * ((_log_s0(log_signal, te_s) - typical.log_s0) / 0.3).square()).sum()


def rate_edges(log_signal: Tensor, te_s: Tensor, typical: TypicalDecay, lattice: Lattice) -> Tensor:
    """Total variation of the log-signal lost between the first and the last echo time, among bright points, mm^2.

    The edges of the echoes are kept by their own total variation, whose unit is signal; late and dark echoes, which
    decide R2, weigh little in it. Here R2 itself is asked to be even within a tissue.
    """
    lost = decay_rate(log_signal, te_s) * (te_s.max() - te_s.min())
    return lattice.total_variation(lost[None], joint=True, share=brightness(log_signal, typical))


def brightness(log_signal: Tensor, typical: TypicalDecay) -> Tensor:
    """1 where there is tissue, fading to 0 where the first echo is below 0.6 of the typical one, (n,); no gradient."""
    signal = torch.exp(log_signal[0]).detach() / (BRIGHT * typical.first_signal)
    return signal**4 / (1.0 + signal**4)


def _solid(log_signal: Tensor, te_s: Tensor) -> Tensor:
    """1 in tissue, fading to 0 where the decay is as slow as fluid's, (n,); no gradient."""
    rate = (decay_rate(log_signal, te_s).detach().clamp(min=0.0) / FLUID_RATE) ** 4
    return rate / (1.0 + rate)


def _log_s0(log_signal: Tensor, te_s: Tensor) -> Tensor:
    return log_signal.mean(0) + te_s.mean() * decay_rate(log_signal, te_s)
