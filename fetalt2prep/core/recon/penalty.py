"""The decay penalty (arXiv 2508.10680, section 1.1) and the priors on R2 and S0, on log-signal and point by point."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


def decay_projector(te_s: Tensor) -> Tensor:
    """``A = D (D^T D)^-1 D^T - I`` with rows ``D = [1, TE]``: log-signal to minus its misfit, (echo, echo).

    A is symmetric, ``A A = -A``, and ``A 1 = A TE = 0``: an exact decay costs exactly nothing, a gain costs nothing,
    and the unit of TE does not matter. With two echo times A is zero: any two points lie on a line.
    """
    te = (te_s / te_s.mean()).double()
    design = torch.stack((torch.ones_like(te), te), 1)
    projector: Tensor = design @ torch.linalg.pinv(design) - torch.eye(len(te), dtype=te.dtype, device=te.device)
    if len(te) == 2:
        projector = torch.zeros_like(projector)
    return projector.float()


def decay_penalty(log_signal: Tensor, projector: Tensor) -> Tensor:
    """``sum over points of |A log V|^2``; log_signal (echo, n), in single precision."""
    return (projector @ log_signal.float()).square().sum()


def decay_rate(log_signal: Tensor, te_s: Tensor) -> Tensor:
    """R2 by unweighted least squares on log-signal, (echo, *) -> (*), 1/s; zero for one echo time."""
    delay = te_s - te_s.mean()
    spread = delay.square().sum()
    if len(te_s) < 2 or float(spread) == 0.0:
        return torch.zeros_like(log_signal[0])
    return -torch.tensordot(delay, log_signal, dims=1) / spread


BRIGHT = 0.6  # of the typical first echo: tissue, and not bone


@dataclass(frozen=True)
class TypicalDecay:
    """Decay of a session's median pixel: what tissue is like before a voxel is looked at."""

    log_s0: float  # session scale
    r2: float  # 1/s
    first_signal: float  # at the first echo time, session scale


def rate_prior(log_signal: Tensor, te_s: Tensor, typical: TypicalDecay) -> Tensor:
    """``sum over points of (R2 - typical)^2 / (3 / s)^2``: what R2 is where no slice says anything.

    Bone and air have no decay to measure; what the noise floor leaves there is constant over echo times and would give
    them the longest T2 of all, right beside the cortex. log_signal (echo, n).
    """
    return ((decay_rate(log_signal, te_s) - typical.r2) / 3.0).square().sum()


def density_prior(log_signal: Tensor, te_s: Tensor, typical: TypicalDecay) -> Tensor:
    """``sum over points of b (log S0 - typical)^2 / 0.3^2``: brain tissues differ in T2 by far more than in density.

    Water content lies between 0.7 and 1.0 over grey matter, white matter and fluid (Whittall 1997, Magn Reson Med
    37:34), T2 between 0.1 and 2 s. So thin tissue that the slices mix with its neighbours gets the T2 that goes with a
    usual S0, instead of any pair of S0 and T2 with the same mean signal. ``b`` fades where the first echo is below 0.6
    of the typical one, for nothing is known of the density of bone and its partial volumes. log_signal (echo, n).
    """
    signal = torch.exp(log_signal[0]).detach() / (BRIGHT * typical.first_signal)
    bright = signal**4 / (1.0 + signal**4)
    return (bright * ((_log_s0(log_signal, te_s) - typical.log_s0) / 0.3).square()).sum()


def median_log_s0(log_signal: Tensor, te_s: Tensor, typical: TypicalDecay) -> float:
    """Median log S0 of the points that are bright at the first echo time; the typical one when none is."""
    bright = torch.exp(log_signal[0]) > BRIGHT * typical.first_signal
    return float(_log_s0(log_signal, te_s)[bright].median()) if bool(bright.any()) else typical.log_s0


def _log_s0(log_signal: Tensor, te_s: Tensor) -> Tensor:
    return log_signal.mean(0) + te_s.mean() * decay_rate(log_signal, te_s)


def alpha_rule(n_stacks: int, n_echoes: int) -> float:
    """Weight of the penalty when the user gives none: 0.3 with three stacks per echo time, and as 1 / stacks^2 beyond.

    Stacks at one echo time determine that echo by themselves when there are three orientations; with one, the decay
    is the only tie between echoes that see the anatomy through different thick slices.
    """
    per_echo = max(1.0, n_stacks / n_echoes)
    return 0.3 * (3.0 / per_echo) ** 2
