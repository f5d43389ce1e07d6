"""The part of the grid that the slices see, and what is computed on it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fetalt2prep.core.geometry import Grid
from fetalt2prep.core.slice_op import SliceOperator, blur

SEEN = 0.02  # a lattice point is seen when it gets this share of the mean weight


@dataclass(frozen=True)
class Lattice:
    """Lattice points that at least one slice sees, with their next neighbours along each axis."""

    grid: Grid
    index: Tensor  # (n,) flat indices of seen points
    neighbour: Tensor  # (3, n) position in ``index`` of the next point along each axis; the point itself when unseen

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
        return cls(grid, index, torch.stack([torch.where(step < 0, here, step) for step in following]))

    def scatter(self, values: Tensor) -> Tensor:
        """Values at seen points (channel, n) as volumes (channel, x, y, z), zero elsewhere."""
        volume = values.new_zeros(len(values), self.grid.n_points)
        return volume.index_copy(1, self.index, values).reshape(-1, *self.grid.shape)

    def total_variation(self, values: Tensor, *, joint: bool, share: Tensor | None = None) -> Tensor:
        """Total variation of (channel, n) in units of value x mm^2, a scalar.

        joint: channels share their edges (vectorial total variation); else each has its own.
        share: how much each point counts, (n,); between two points the smaller one decides.
        """
        squared = values.new_zeros(values.shape if not joint else values.shape[1:])
        for neighbour in self.neighbour:  # three axes
            difference = values[:, neighbour] - values
            if share is not None:
                difference = difference * torch.minimum(share, share[neighbour])
            difference = difference.square()
            squared = squared + (difference.sum(0) if joint else difference)
        return (squared + 1e-8).sqrt().sum() * self.grid.spacing_mm**2
