"""Signal models, each once: what a sequence shows of proton density, R1 and R2.

Rates are in 1/s and times in seconds. A model is called with tensors of one shape and keeps it; its signal is in the
units of ``pd``. Rates instead of times, so that fluid (small rates) and background (none) need no guard.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


def monoexponential(s0: Tensor, t2_s: Tensor, te_s: Tensor) -> Tensor:
    """Spin-echo signal at long TR, ``s0 * exp(-te / t2)``.

    s0, t2_s: (*grid); te_s: (echo,) -> (echo, *grid). Units of ``s0`` are kept.
    """
    return s0 * torch.exp(-te_s.reshape(-1, *[1] * s0.ndim) / t2_s)


class SignalModel(Protocol):
    """A sequence with its parameters."""

    def __call__(self, pd: Tensor, r1: Tensor, r2: Tensor) -> Tensor:
        """Signal (*grid), with its sign where the sequence has one."""
        ...


@dataclass(frozen=True, kw_only=True)
class SpinEcho:
    """``pd exp(-TE R2) (1 - exp(-TR R1))``: spin echo, and fast spin echo at its effective echo time."""

    te_s: float
    tr_s: float = math.inf

    def __post_init__(self) -> None:
        _check(self, te_s=self.te_s, tr_s=self.tr_s)

    def __call__(self, pd: Tensor, r1: Tensor, r2: Tensor) -> Tensor:
        """Signal (*grid), never negative."""
        decayed = pd * torch.exp(-self.te_s * r2)
        return decayed if math.isinf(self.tr_s) else decayed * -torch.expm1(-self.tr_s * r1)


@dataclass(frozen=True, kw_only=True)
class InversionRecovery:
    """``pd (1 - 2 exp(-TI R1) + exp(-TR R1)) exp(-TE R2)``: inversion recovery, and FLAIR with a long TI and TE.

    Negative before the null: magnitude images show its absolute value.
    """

    te_s: float
    ti_s: float
    tr_s: float = math.inf

    def __post_init__(self) -> None:
        _check(self, te_s=self.te_s, ti_s=self.ti_s, tr_s=self.tr_s)
        if self.ti_s >= self.tr_s:
            raise ValueError(f"InversionRecovery: TI is {self.ti_s} s and TR {self.tr_s} s; TI must be shorter.")

    def __call__(self, pd: Tensor, r1: Tensor, r2: Tensor) -> Tensor:
        """Signal (*grid) with its sign."""
        full = 1.0 if math.isinf(self.tr_s) else 1.0 + torch.exp(-self.tr_s * r1)
        return pd * (full - 2.0 * torch.exp(-self.ti_s * r1)) * torch.exp(-self.te_s * r2)


@dataclass(frozen=True, kw_only=True)
class SpoiledGradientEcho:
    """``pd sin a (1 - E1) / (1 - E1 cos a) exp(-TE R2)``, ``E1 = exp(-TR R1)``; R2 stands for R2*."""

    te_s: float
    tr_s: float
    flip_deg: float

    def __post_init__(self) -> None:
        _check(self, te_s=self.te_s, tr_s=self.tr_s, flip_deg=self.flip_deg)

    def __call__(self, pd: Tensor, r1: Tensor, r2: Tensor) -> Tensor:
        """Signal (*grid), never negative."""
        angle = math.radians(self.flip_deg)
        e1 = torch.exp(-self.tr_s * r1)
        return pd * math.sin(angle) * (1.0 - e1) / (1.0 - e1 * math.cos(angle)) * torch.exp(-self.te_s * r2)


@dataclass(frozen=True, kw_only=True)
class Mprage:
    """Inversion, a train of ``n_pulses`` small flips every ``spacing_s``, rest until TR; the steady state of that.

    The signal is that of the train's middle pulse, ``ti_s`` after the inversion. During the train, magnetisation goes
    to ``M* = M0 (1 - E1) / (1 - E1 cos a)`` at the rate ``R1* = R1 - ln(cos a) / spacing`` (Deichmann 2000,
    doi:10.1006/nimg.2000.0601).
    """

    te_s: float
    ti_s: float
    tr_s: float
    flip_deg: float
    spacing_s: float
    n_pulses: int

    def __post_init__(self) -> None:
        times = {"te_s": self.te_s, "ti_s": self.ti_s, "tr_s": self.tr_s, "spacing_s": self.spacing_s}
        _check(self, **times, flip_deg=self.flip_deg, n_pulses=self.n_pulses)
        if self.flip_deg >= 90:
            raise ValueError(f"Mprage: flip angle is {self.flip_deg} degrees; it must be below 90.")
        before, after = self.rests_s
        if before < 0 or after < 0:
            raise ValueError(
                f"Mprage: {self.n_pulses} pulses every {self.spacing_s} s around TI {self.ti_s} s do not fit into TR "
                f"{self.tr_s} s."
            )

    @property
    def rests_s(self) -> tuple[float, float]:
        """From the inversion to the first pulse, and from the train's end to the next inversion."""
        before = self.ti_s - (self.n_pulses // 2) * self.spacing_s
        return before, self.tr_s - before - self.n_pulses * self.spacing_s

    def __call__(self, pd: Tensor, r1: Tensor, r2: Tensor) -> Tensor:
        """Signal (*grid) with its sign."""
        angle = math.radians(self.flip_deg)
        before, after = (torch.exp(-rest_s * r1) for rest_s in self.rests_s)
        e1 = torch.exp(-self.spacing_s * r1)
        driven = (1.0 - e1) / (1.0 - e1 * math.cos(angle))  # of M0: where the train leads to
        kept = e1 * math.cos(angle)  # of the distance to it, per pulse
        train, half = kept**self.n_pulses, kept ** (self.n_pulses // 2)
        rest = (1.0 - after) + after * (driven * (1.0 - train) + train * (1.0 - before))
        start = (1.0 - before) - before * rest / (1.0 + after * train * before)
        return pd * math.sin(angle) * (driven + (start - driven) * half) * torch.exp(-self.te_s * r2)


def _check(model: object, **values: float) -> None:
    for name, value in values.items():
        least = 0.0 if name == "te_s" else 1e-9
        if not value >= least:
            raise ValueError(f"{type(model).__name__}: {name} is {value}; it must be positive.")
