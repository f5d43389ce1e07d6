"""The maps that are looked for, as numbers without bounds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LEAST = 1e-6  # of what the logarithm is taken


@dataclass(frozen=True)
class Maps:
    """Proton density (any scale) and rates (1/s), each (*grid); ``r1`` is zero where T1 is not looked for."""

    pd: Tensor
    r1: Tensor
    r2: Tensor


@dataclass(frozen=True, kw_only=True)
class Coordinates:
    """Maps to unbounded coordinates and back: log signal at ``te_s``, log R2 and, with ``with_r1``, log R1.

    At the echo time of a guide the signal is nearly known, while proton density and R2 alone are strongly tied to each
    other; so the first coordinate is the signal there. Zero: proton density itself.
    """

    te_s: float = 0.0
    with_r1: bool = True

    @property
    def n(self) -> int:
        """How many coordinates a voxel has."""
        return 3 if self.with_r1 else 2

    def maps(self, values: Tensor) -> Maps:
        """(coordinate, *grid) -> maps."""
        r2 = torch.exp(values[1])
        r1 = torch.exp(values[2]) if self.with_r1 else torch.zeros_like(r2)
        return Maps(torch.exp(values[0] + self.te_s * r2), r1, r2)

    def values(self, maps: Maps) -> Tensor:
        """Maps -> (coordinate, *grid)."""
        log_pd, log_r1, log_r2 = (part.clamp(min=LEAST).log() for part in (maps.pd, maps.r1, maps.r2))
        rows = [log_pd - self.te_s * maps.r2, log_r2, log_r1]
        return torch.stack(rows[: self.n])
