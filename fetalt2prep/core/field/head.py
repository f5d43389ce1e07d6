"""Heads: from a network's outputs to the logarithm of the signal at every echo time."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

R2_FREE_WATER = 0.45
"""Smallest R2 the decay head can give, 1/s: no tissue decays more slowly than free water (T2 about 2.2 s at 37 C)."""
R2_STEP = 3.0
"""Change of R2 for a network output of 1, 1/s: about what separates cortex from fluid, as 1 separates their log S."""
LOG_RANGE = (-9.0, 2.0)
"""Log-signal is kept in this range (session scale): exp never under- or overflows in single precision."""


class DecayHead(nn.Module):
    """Exact mono-exponential decay: outputs are log S at the mean echo time and R2, so that echoes follow by physics.

    ``log S(te) = a - R2 (te - mean te)``: at the mean echo time the errors of ``a`` and ``R2`` are least correlated.
    """

    n_outputs = 2

    def __init__(self, te_s: Tensor, mean_log_signal: Tensor, start_r2: float) -> None:
        """te_s, mean_log_signal: (echo,); start_r2: R2 where the network gives 0, 1/s."""
        super().__init__()
        self.register_buffer("delay_s", te_s - te_s.mean())
        self.register_buffer("offset", mean_log_signal.mean())
        self.start_r2 = start_r2

    def forward(self, outputs: Tensor) -> Tensor:
        """(2, n) -> log signal (echo, n)."""
        r2 = R2_FREE_WATER + F.softplus(self.start_r2 - R2_FREE_WATER + R2_STEP * outputs[1])
        return (self.offset + outputs[0] - self.delay_s[:, None] * r2).clamp(*LOG_RANGE)

    delay_s: Tensor
    offset: Tensor


class BridgeHead(nn.Module):
    """Exact decay plus what departs from it, per echo: ``log S = a - R2 (te - mean te) + r``, r no decay at all.

    The last outputs are projected on what no decay explains (:func:`~fetalt2prep.core.recon.penalty.decay_projector`),
    so that they cannot take over S0 or R2; with two echo times nothing is left of them. A quadratic penalty on r, the
    decay penalty, keeps it small where the data do not ask for it.
    """

    def __init__(self, te_s: Tensor, mean_log_signal: Tensor, start_r2: float, projector: Tensor) -> None:
        """te_s, mean_log_signal: (echo,); start_r2: see :class:`DecayHead`; projector: (echo, echo)."""
        super().__init__()
        self.decay = DecayHead(te_s, mean_log_signal, start_r2)
        self.register_buffer("departure", -projector)
        self.n_outputs = DecayHead.n_outputs + len(te_s)

    def forward(self, outputs: Tensor) -> Tensor:
        """(2 + echo, n) -> log signal (echo, n)."""
        return (self.decay(outputs[:2]) + self.departure @ outputs[2:]).clamp(*LOG_RANGE)

    departure: Tensor


class FreeHead(nn.Module):
    """Log-signal of every echo by itself; only the shared features (and a penalty, if any) tie the echoes."""

    def __init__(self, mean_log_signal: Tensor) -> None:
        """mean_log_signal: (echo,)."""
        super().__init__()
        self.register_buffer("offset", mean_log_signal[:, None])
        self.n_outputs = len(mean_log_signal)

    def forward(self, outputs: Tensor) -> Tensor:
        """(echo, n) -> log signal (echo, n)."""
        return torch.clamp(self.offset + outputs, *LOG_RANGE)

    offset: Tensor
