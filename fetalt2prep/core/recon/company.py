"""What slices keep company with: the nearest ones in time, and how far a head is likely to move in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fetalt2prep.core.geometry import Rigid
from fetalt2prep.core.recon.many_starts import angle
from fetalt2prep.core.recon.slices import Slices

SPREAD_MM, SPREAD_RAD = 2.0, 0.07  # of a fetal head from one slice to the next; grows with the root of their number
PRICE = 0.03  # correlation per unit of the log of a Cauchy distribution: jumps are rare, but they do happen


@dataclass(frozen=True, kw_only=True)
class Company:
    """Slices of a stack nearest in time before and after some, none to two of them."""

    slices: Tensor  # (n,)
    gaps: Tensor  # (n,) slices acquired in between, and one

    @property
    def least_gap(self) -> float:
        """Slices to the nearest, infinite without any."""
        return float(self.gaps.min()) if len(self.gaps) else float("inf")

    @property
    def nearest(self) -> Tensor:
        """The one with the fewest slices in between, (1,)."""
        return self.slices[self.gaps.argmin()][None]

    def price(self, poses: Rigid, middle_mm: Tensor, shared_by: int = 1) -> Callable[[Tensor, Tensor], Tensor]:
        """What motions (k, 3, 3) about a middle (3,) and (k, 3) cost, by how far they are from the nearer company.

        shared_by: slices that make the motion together, and pay for it once.
        """
        near = poses.select(self.slices).about(middle_mm.expand(len(self.slices), 3))
        widen = self.gaps.to(middle_mm).sqrt()

        def cost(rotations: Tensor, shifts_mm: Tensor) -> Tensor:
            if not len(self.slices):
                return torch.zeros_like(shifts_mm[:, 0])
            turn = angle(rotations[:, None] @ near.rotation.transpose(-1, -2)) / (SPREAD_RAD * widen)
            way = (shifts_mm[:, None] - near.shift_mm).norm(dim=-1) / (SPREAD_MM * widen)
            return PRICE / shared_by * torch.log1p(turn.square() + way.square()).min(1).values

        return cost


def company(slices: Slices, good: Tensor, which: Tensor) -> Company:
    """Of the slices that are good, (slice,) bool, those of the same stack acquired next before and after ``which``."""
    mine = (good & (slices.stack_of == slices.stack_of[which[0]])).nonzero()[:, 0]
    first, last = slices.order[which].min(), slices.order[which].max()
    found, gaps = [], []
    for gap in (first - slices.order[mine], slices.order[mine] - last):  # before and after
        ahead = gap > 0
        if bool(ahead.any()):
            found.append(mine[ahead][gap[ahead].argmin()])
            gaps.append(gap[ahead].min())
    empty = which.new_zeros(0)
    return Company(
        slices=torch.stack(found) if found else empty,
        gaps=torch.stack(gaps) if gaps else empty,
    )
