"""How much fluid a voxel of tissue holds, as far as its echoes tell.

A little fluid weighs a lot at the late echo times that suit the fetal brain: it hardly decays. What gives it away is an
apparent T2 above that of the tissue, an apparent S0 below it, and a decay that flattens. None of the three is sure by
itself, so they are weighed against each other by Bayes' rule, voxel by voxel, on a grid of fluid shares and tissue T2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

BATCH = 1 << 15
MIN_SHARE = 0.05
SHARES = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0)
TISSUE_NODES = 9


@dataclass(frozen=True, kw_only=True)
class CsfOptions:
    """What is believed of tissue and fluid before a voxel is looked at."""

    fluid_t2_s: float = 2.0
    """T2 of cerebrospinal fluid, seconds."""
    fluid_m0: float = 1.1
    """Signal of fluid at echo time zero over that of tissue."""
    tissue_log_sd: float = 0.10
    """Spread of the tissue's T2, as the standard deviation of its logarithm."""
    s0_spread: float = 0.10
    """Spread of the tissue's S0 about its reference, as a share."""
    pure: float = 0.5
    """Share of voxels that hold no fluid at all."""
    typical_share: float = 0.15
    """Among the others, fluid shares fall exponentially with this constant."""

    def __post_init__(self) -> None:
        for name in ("fluid_t2_s", "fluid_m0", "tissue_log_sd", "s0_spread", "typical_share"):
            if not getattr(self, name) > 0:
                raise ValueError(f"fluid share: {name} is {getattr(self, name):g}; it must be positive.")
        if not 0 < self.pure < 1:
            raise ValueError(f"fluid share: pure is {self.pure:g}; it lies between 0 and 1.")


@dataclass(frozen=True, kw_only=True)
class CsfShare:
    """Fluid by volume in each voxel, (*grid); NaN where the echoes do not tell."""

    share: Tensor
    """Expected share, 0 to 1."""
    probability: Tensor
    """That the share is 5 % or more: the flag."""


def csf_share(
    echoes: Tensor,
    te_s: Tensor,
    stderr: Tensor | float,
    *,
    tissue_t2_s: Tensor | float,
    tissue_s0: Tensor | float,
    options: CsfOptions | None = None,
) -> CsfShare:
    """Share of fluid, and the probability that it is 5 % or more.

    echoes: (echo, *grid); stderr broadcasts to it, same units; tissue_t2_s (seconds) and tissue_s0 (units of the
    echoes): what pure tissue would have there, broadcast to (*grid).

    Signal: ``S0 [(1 - f) exp(-TE/T2) + f m exp(-TE/T2_fluid)]``, f the share and m ``fluid_m0``. S0 is integrated out
    in closed form (normal prior), T2 and f by sums.
    """
    prior = options or CsfOptions()
    grid, n_echoes = echoes.shape[1:], len(echoes)
    te = te_s.to(torch.float64).to(echoes.device)
    flat = echoes.reshape(n_echoes, -1)
    error = torch.as_tensor(stderr, device=echoes.device).expand_as(echoes).reshape(n_echoes, -1)
    t2, s0 = (
        torch.as_tensor(value, dtype=torch.float64, device=echoes.device).expand(grid).reshape(-1)
        for value in (tissue_t2_s, tissue_s0)
    )
    known = torch.isfinite(flat).all(0) & (flat != 0).any(0) & torch.isfinite(t2) & (t2 > 0) & (s0 > 0)
    known &= (torch.isfinite(error) & (error > 0)).all(0)
    results = torch.full((2, flat.shape[1]), torch.nan, device=echoes.device)
    places = torch.nonzero(known)[:, 0]
    for start in range(0, len(places), BATCH):  # in batches: every voxel has hundreds of hypotheses
        at = places[start : start + BATCH]
        posterior = _posterior(flat[:, at].double(), te, error[:, at].double(), t2[at], s0[at], prior)
        shares = torch.tensor(SHARES, dtype=torch.float64, device=echoes.device)
        results[0, at] = (posterior * shares[:, None]).sum(0).float()
        results[1, at] = posterior[shares >= MIN_SHARE].sum(0).float()
    return CsfShare(share=results[0].reshape(grid), probability=results[1].reshape(grid))


def _posterior(signal: Tensor, te: Tensor, error: Tensor, t2: Tensor, s0: Tensor, prior: CsfOptions) -> Tensor:
    """Probability of each share, (share, voxel)."""
    weight = error.square().reciprocal()
    spread = (prior.s0_spread * s0).square()
    fluid = prior.fluid_m0 * torch.exp(-te / prior.fluid_t2_s)[:, None]
    z = torch.linspace(-2.0, 2.0, TISSUE_NODES, dtype=torch.float64, device=signal.device)
    log_node = -0.5 * z.square()
    weighted = weight * signal
    best = torch.full_like(t2, -torch.inf)
    logs = []
    for node, log_prior in zip(z, log_node, strict=True):  # few nodes; one temporary each instead of all at once
        tissue = torch.exp(-te[:, None] / (t2 * torch.exp(prior.tissue_log_sd * node)))
        for share, log_share in zip(SHARES, _log_prior(prior), strict=True):
            shape = (1 - share) * tissue + share * fluid
            cross, power = (weighted * shape).sum(0), (weight * shape.square()).sum(0)
            gain = 1 + spread * power  # S0 ~ N(s0, spread), the shape known: integrated out
            misfit = cross - s0 * power
            log = s0 * cross - 0.5 * s0.square() * power + 0.5 * spread * misfit.square() / gain - 0.5 * torch.log(gain)
            logs.append(log + log_prior + log_share)
            best = torch.maximum(best, logs[-1])
    chance = torch.exp(torch.stack(logs) - best).reshape(TISSUE_NODES, len(SHARES), -1).sum(0)
    return chance / chance.sum(0)


def _log_prior(prior: CsfOptions) -> list[float]:
    """Share of pure voxels, and among the others an exponential fall; each share stands for the interval around it."""
    edges = [0.0, *((a + b) / 2 for a, b in pairwise(SHARES[1:])), 1.0]
    total = 1 - math.exp(-1 / prior.typical_share)
    masses = [math.exp(-a / prior.typical_share) - math.exp(-b / prior.typical_share) for a, b in pairwise(edges)]
    return [math.log(prior.pure), *(math.log((1 - prior.pure) * mass / total) for mass in masses)]
