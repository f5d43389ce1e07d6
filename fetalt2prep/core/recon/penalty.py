"""The decay penalty (arXiv 2508.10680, section 1.1), on log-signal and point by point."""

from __future__ import annotations

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


BRIDGE_ALPHA = 10.0
"""Weight of the penalty on the departures of model ``bridge``. A field's neighbours depart together, so that a small
weight per point holds back much: on small simulated sessions (with a network between grid and head) 200 left departures
of 0.1 % of the signal, 10 of 0.3 to 1 %, 1 of 1 to 3 %, and ``mcreg`` at its 0.3 of 2 to 5 %."""


def alpha_rule(n_stacks: int, n_echoes: int) -> float:
    """Weight of the penalty when the user gives none: 0.3 with three stacks per echo time, and as 1 / stacks^2 beyond.

    Stacks at one echo time determine that echo by themselves when there are three orientations; with one, the decay
    is the only tie between echoes that see the anatomy through different thick slices.
    """
    per_echo = max(1.0, n_stacks / n_echoes)
    return 0.3 * (3.0 / per_echo) ** 2
