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

        def cost(rotations: Tensor, shifts_mm: Tensor) -> Tensor:
            if not len(self.slices):
                return torch.zeros_like(shifts_mm[:, 0])
            return _cost(near, self.gaps, rotations[:, None], shifts_mm[:, None]).min(1).values / shared_by

        return cost


def company(slices: Slices, good: Tensor, which: Tensor) -> Company:
    """Of the slices that are good, (slice,) bool, those of the same stack acquired next before and after ``which``."""
    order = slices.order[which]
    nearest, gaps = _nearest(slices, good, slices.stack_of[which[:1]], order.min()[None], order.max()[None])
    there = gaps[0].isfinite()
    return Company(slices=nearest[0, there], gaps=gaps[0, there])


def prices(slices: Slices, poses: Rigid, good: Tensor) -> Tensor:
    """What the place of every slice costs, by how far it is from the nearer of its good company, (slice,).

    good: slices that others may be held against, (slice,) bool. 0 where a slice has no company.
    """
    nearest, gaps = _nearest(slices, good, slices.stack_of, slices.order, slices.order)
    near = poses.select(nearest).about(poses.centre_mm[:, None].expand(-1, 2, 3))
    cost = _cost(near, gaps, poses.rotation[:, None], poses.shift_mm[:, None]).masked_fill(gaps.isinf(), torch.inf)
    least = cost.min(1).values
    return torch.where(least.isinf(), 0.0, least)


def _nearest(slices: Slices, good: Tensor, stack: Tensor, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    """Good slices of stacks (k,) acquired next before the ``first`` and after the ``last``, (k,) places in time.

    Slices and gaps, (k, 2); the gap is infinite where there is none.
    """
    beside = good & (slices.stack_of == stack[:, None])  # (k, slice)
    ahead = torch.stack((first[:, None] - slices.order, slices.order - last[:, None]), 1)  # (k, 2, slice)
    gaps, nearest = ahead.double().masked_fill(~beside[:, None] | (ahead <= 0), torch.inf).min(2)
    return nearest, gaps.to(slices.values)


def _cost(near: Rigid, gaps: Tensor, rotations: Tensor, shifts_mm: Tensor) -> Tensor:
    """Of motions with company (*, n), all about the same middles, rotations (*, 1, 3, 3), shifts (*, 1, 3), (*, n)."""
    widen = gaps.sqrt()
    turn = angle(rotations @ near.rotation.transpose(-1, -2)) / (SPREAD_RAD * widen)
    way = (shifts_mm - near.shift_mm).norm(dim=-1) / (SPREAD_MM * widen)
    return PRICE * torch.log1p(turn.square() + way.square())
