"""The part of the grid that the slices see, and what is computed on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fetalt2prep.core.geometry import Grid
from fetalt2prep.core.slice_op import SliceOperator, blur

SMOOTHING = 1e-8  # under the square root of the total variation
SEEN = 0.02  # a lattice point is seen when it gets this share of the mean weight


@dataclass(frozen=True)
class Lattice:
    """Lattice points that at least one slice sees, with their next neighbours along each axis."""

    grid: Grid
    index: Tensor  # (n,) flat indices of seen points
    following: Tensor  # (3, n) position in ``index`` of the next point along each axis; the point itself when unseen
    preceding: Tensor  # (3, n) of the one before

    @classmethod
    def seen_by(cls, operator: SliceOperator, n_pixels: int, blur_voxels: float) -> Lattice:
        """Points that the slices' point spread functions reach, at the operator's poses."""
        grid = operator.grid
        ones = torch.ones(n_pixels, device=operator.arm_mm.device)
        reach = blur(operator.adjoint(ones).sum(0, keepdim=True), max(blur_voxels, 0.5))[0]
        index = (reach > SEEN * reach[reach > 0].mean()).flatten().nonzero()[:, 0]
        position = torch.full((grid.n_points,), -1, device=index.device)
        position[index] = torch.arange(len(index), device=index.device)
        strides = (grid.shape[1] * grid.shape[2], grid.shape[2], 1)
        here = torch.arange(len(index), device=index.device)
        following = [position[(index + stride).clamp(max=grid.n_points - 1)] for stride in strides]
        preceding = [position[(index - stride).clamp(min=0)] for stride in strides]
        ways = [torch.stack([torch.where(to < 0, here, to) for to in way]) for way in (following, preceding)]
        return cls(grid, index, ways[0], ways[1])

    def points_mm(self) -> Tensor:
        """World position of every point, (n, 3)."""
        _, ny, nz = self.grid.shape
        where = torch.stack((self.index // (ny * nz), self.index // nz % ny, self.index % nz), 1)
        origin = torch.tensor(self.grid.origin_mm, dtype=torch.float32, device=self.index.device)
        return origin + where * self.grid.spacing_mm

    def scatter(self, values: Tensor) -> Tensor:
        """Values at seen points (channel, n) as volumes (channel, x, y, z), zero elsewhere."""
        volume = values.new_zeros(len(values), self.grid.n_points)
        return volume.index_copy(1, self.index, values).reshape(-1, *self.grid.shape)

    def total_variation(self, values: Tensor, *, joint: bool, share: Tensor | None = None) -> Tensor:
        """Total variation of (channel, n) in units of value x mm^2, a scalar.

        joint: channels share their edges (vectorial total variation); else each has its own.
        share: how much each point counts, (n,); between two points the smaller one decides. It has no gradient.
        """
        total: Tensor = _TotalVariation.apply(values, self, share, joint)  # type: ignore[no-untyped-call]
        return total * self.grid.spacing_mm**2


class _TotalVariation(torch.autograd.Function):
    """Sum over points of the length of the forward differences; its gradient gathers, where autograd would scatter."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, lattice: Lattice, share: Tensor | None, joint: bool) -> Tensor:
        steps = []
        for following in lattice.following:  # three axes
            step = values.index_select(1, following).sub_(values)
            if share is not None:
                step *= torch.minimum(share, share[following])
            steps.append(step)
        squared = torch.stack([step.square() for step in steps]).sum(0)
        length = (squared.sum(0, keepdim=True) if joint else squared).add_(SMOOTHING).sqrt_()
        ctx.lattice, ctx.share = lattice, share
        ctx.save_for_backward(length, *steps)
        return length.sum()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        length, *steps = ctx.saved_tensors
        total = torch.zeros_like(steps[0])
        here = torch.arange(total.shape[1], device=total.device)
        for step, following, preceding in zip(steps, ctx.lattice.following, ctx.lattice.preceding, strict=True):
            slope = step / length
            if ctx.share is not None:
                slope *= torch.minimum(ctx.share, ctx.share[following])
            total -= slope
            total += slope.index_select(1, preceding).mul_(preceding != here)
        return total * grad, None, None, None
