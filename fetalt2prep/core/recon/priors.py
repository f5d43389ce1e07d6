"""What brain tissue is like before a voxel is looked at: priors on R2 and S0, on log-signal (echo, n)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fetalt2prep.core.recon.lattice import Lattice
from fetalt2prep.core.recon.penalty import decay_rate
from fetalt2prep.core.recon.smooth_field import SmoothField

RATE_WEIGHT = 0.03  # units of chi-square per cube of Slices.unit_mm
DENSITY_WEIGHT = 0.3  # same units
RATE_SPREAD, DENSITY_SPREAD = 3.0, 0.3  # 1/s; of log S0
RATE_EDGE_WEIGHT = 0.3  # same units, per face of that cube between signals whose decays differ by a factor of e
BRIGHT = 0.6  # of the typical first echo: tissue, and not bone
FLUID_RATE = 1.2  # 1/s; slower decays are fluid, which is denser than tissue
LEAST_POINTS = 200  # of tissue, or of fluid, that a density is taken from
FLUID_EXCESS = 0.12  # log of fluid's density over that of tissue, when too little fluid is seen to tell


@dataclass(frozen=True)
class TypicalDecay:
    """Decay of a session's tissue: R2 of the median pixel, and the density that goes with it at every place."""

    log_s0: SmoothField
    """Of tissue, session scale: density and T1 seen through the receive coils, which all echoes share."""
    fluid_excess: float
    """Log S0 of fluid over that of tissue."""
    r2: float  # 1/s
    first_signal: float  # at the first echo time, session scale

    def seen_in(self, log_signal: Tensor, te_s: Tensor, points_mm: Tensor) -> TypicalDecay:
        """The same with the densities of what is tissue and what is fluid by now; log_signal (echo, n) at (n, 3)."""
        bright, solid = brightness(log_signal, self), _solid(log_signal, te_s)
        log_s0 = log_s0_of(log_signal, te_s)
        tissue = bright * solid > 0.25
        if int(tissue.sum()) < LEAST_POINTS:
            return self
        field = SmoothField.fitted(points_mm[tissue], log_s0[tissue], (bright * solid)[tissue])
        fluid = bright * (1 - solid) > 0.75
        excess = self.fluid_excess
        if int(fluid.sum()) >= LEAST_POINTS:
            excess = float((log_s0[fluid] - field.at(points_mm[fluid])).median().clamp(0.0, 0.5))
        return replace(self, log_s0=field, fluid_excess=excess)

    def at(self, points_mm: Tensor) -> LocalDecay:
        """What is typical at points (n, 3)."""
        return LocalDecay(self.log_s0.at(points_mm), self.fluid_excess, self.r2, self.first_signal)


@dataclass(frozen=True)
class LocalDecay:
    """:class:`TypicalDecay` at the points of a lattice."""

    log_s0: Tensor  # (n,)
    fluid_excess: float
    r2: float
    first_signal: float


def prior_cost(log_signal: Tensor, te_s: Tensor, typical: LocalDecay, lattice: Lattice, unit_mm: float) -> Tensor:
    """All three priors with their weights, a scalar in units of chi-square; sums over points stand for integrals."""
    volume = (lattice.grid.spacing_mm / unit_mm) ** 3
    points = RATE_WEIGHT * rate_prior(log_signal, te_s, typical)
    points = points + DENSITY_WEIGHT * density_prior(log_signal, te_s, typical)
    return volume * points + RATE_EDGE_WEIGHT / unit_mm**2 * rate_edges(log_signal, te_s, typical, lattice)


def rate_prior(log_signal: Tensor, te_s: Tensor, typical: LocalDecay) -> Tensor:
    """``sum over points of (R2 - typical)^2 / RATE_SPREAD^2``: what R2 is where no slice says anything.

    Bone and air have no decay to measure; what the noise floor leaves there is constant over echo times and would give
    them the longest T2 of all, right beside the cortex.
    """
    return ((decay_rate(log_signal, te_s) - typical.r2) / RATE_SPREAD).square().sum()


def density_prior(log_signal: Tensor, te_s: Tensor, typical: LocalDecay) -> Tensor:
    """``sum over points of b (log S0 - typical)^2 / DENSITY_SPREAD^2``.

    Brain tissues differ in T2 by far more than in density: water content lies between 0.65 and 1.0 over white matter,
    grey matter and fluid of adults (Whittall 1997, Magn Reson Med 37:34, and those after it), T2 between 0.1 and 2 s.
    So thin tissue that the slices mix with its neighbours gets the T2 that goes with a usual S0, instead of any pair of
    S0 and T2 with the same mean signal: of a mixture of tissue and fluid S0 is lower than that of either. ``b`` is
    :func:`brightness`, for nothing is known of the density of bone and its partial volumes; what is typical goes from
    tissue's to fluid's as the decay becomes as slow.
    """
    expected = typical.log_s0 + typical.fluid_excess * (1 - _solid(log_signal, te_s))
    excess = (log_s0_of(log_signal, te_s) - expected) / DENSITY_SPREAD
    return (brightness(log_signal, typical) * excess.square()).sum()


def rate_edges(log_signal: Tensor, te_s: Tensor, typical: LocalDecay, lattice: Lattice) -> Tensor:
    """Total variation of the log-signal lost between the first and the last echo time, among bright points, mm^2.

    The edges of the echoes are kept by their own total variation, whose unit is signal; late and dark echoes, which
    decide R2, weigh little in it. Here R2 itself is asked to be even within a tissue.
    """
    return lattice.total_variation(
        lost_signal(log_signal, te_s)[None], joint=True, share=brightness(log_signal, typical)
    )


def lost_signal(log_signal: Tensor, te_s: Tensor) -> Tensor:
    """Log-signal lost between the first and the last echo time, (echo, n) -> (n,)."""
    return decay_rate(log_signal, te_s) * (te_s.max() - te_s.min())


def brightness(log_signal: Tensor, typical: TypicalDecay | LocalDecay) -> Tensor:
    """1 where there is tissue, fading to 0 where the first echo is below 0.6 of the typical one, (n,); no gradient."""
    signal = torch.exp(log_signal[0]).detach() / (BRIGHT * typical.first_signal)
    return signal**4 / (1.0 + signal**4)


def _solid(log_signal: Tensor, te_s: Tensor) -> Tensor:
    """1 in tissue, fading to 0 where the decay is as slow as fluid's, (n,); no gradient."""
    rate = (decay_rate(log_signal, te_s).detach().clamp(min=0.0) / FLUID_RATE) ** 4
    return rate / (1.0 + rate)


def log_s0_of(log_signal: Tensor, te_s: Tensor) -> Tensor:
    """Log S0 by unweighted least squares on log-signal, (echo, n) -> (n,)."""
    return log_signal.mean(0) + te_s.mean() * decay_rate(log_signal, te_s)
