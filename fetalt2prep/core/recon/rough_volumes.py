"""Rough volumes of groups of slices, so that a group can be compared with what all the others show.

Pixels are laid on a coarse grid where their slices are thought to be; no fit, no point spread function. Each group has
a volume of its own: the sum of the others is a subtraction, and no slice is ever compared with itself.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fetalt2prep.core.geometry import Grid, Rigid
from fetalt2prep.core.recon.slices import Slices
from fetalt2prep.core.slice_op import blur

SPACING_MM = 3.2
TOUCH_VOXELS = 0.8  # a stack's planes lie further apart than the grid's points: blurred until they touch
DARK_SHARE = 0.6  # of the mean signal of a stack's median slice


class RoughVolumes:
    """Rough volume of every group, from the slices that may be used."""

    def __init__(self, slices: Slices, poses: Rigid, group_of: Tensor, usable: Tensor) -> None:
        """group_of (slice,): number of the group, from 0; usable (slice,): slices that go into the volumes."""
        points_mm = poses.move(slices.points_mm, slices.slice_idx)
        self.grid = Grid.around(points_mm, SPACING_MM, 4 * SPACING_MM)
        values, pixel_group = echo_free(slices), group_of[slices.slice_idx]
        seen = usable[slices.slice_idx]
        cell = self.grid.index_of(points_mm).round().long()
        flat = (cell[:, 0] * self.grid.shape[1] + cell[:, 1]) * self.grid.shape[2] + cell[:, 2]
        column, values = (pixel_group * self.grid.n_points + flat)[seen], values[seen]
        n_groups = int(group_of.max()) + 1
        empty = values.new_zeros(n_groups * self.grid.n_points)
        shape = (n_groups, *self.grid.shape)
        self._sum = blur(empty.index_add(0, column, values).reshape(shape), TOUCH_VOXELS)
        self._count = blur(empty.index_add(0, column, torch.ones_like(values)).reshape(shape), TOUCH_VOXELS)

    def others(self, group: int) -> Tensor:
        """Mean of the other groups, (x, y, z); fades to 0 where they have no pixel."""
        total, count = self._sum.sum(0) - self._sum[group], self._count.sum(0) - self._count[group]
        return total / (count + 0.1 * count.max()).clamp(min=1e-9)

    def sample(self, volume: Tensor, points_mm: Tensor) -> Tensor:
        """Volume (x, y, z) of this grid at world points (k, n, 3), trilinear, 0 outside -> (k, n)."""
        size = torch.tensor(self.grid.shape, device=points_mm.device)
        at = 2 * self.grid.index_of(points_mm) / (size - 1) - 1
        seen = torch.nn.functional.grid_sample(volume[None, None], at.flip(-1)[None, :, :, None], align_corners=True)
        return seen[0, 0, ..., 0]


def correlation(seen: Tensor, values: Tensor) -> Tensor:
    """Correlation of rows (k, n) with values (n,), (k,); 0 where either is constant."""
    seen = seen - seen.mean(1, keepdim=True)
    centred = values - values.mean()
    return (seen @ centred) / (seen.norm(dim=1) * centred.norm()).clamp(min=1e-9)


def echo_free(slices: Slices) -> Tensor:
    """Values over the mean of their echo time, (pixel,): what differs between echoes is left out, contrast remains."""
    n_echoes = len(slices.te_s)
    total = slices.values.new_zeros(n_echoes).index_add_(0, slices.echo_idx, slices.values)
    mean = total / slices.echo_idx.bincount(minlength=n_echoes).clamp(min=1)
    return slices.values / mean.clamp(min=1e-6)[slices.echo_idx]


def bright_slices(slices: Slices) -> Tensor:
    """Slices that are not mostly void, (slice,): one dark slice would draw its whole group along the normal."""
    means = slices.mean_per_slice(slices.values)
    bright = torch.ones_like(means, dtype=torch.bool)
    for stack in slices.stack_of.unique().tolist():  # a handful of stacks
        mine = (slices.stack_of == stack) & (means > 0)
        bright[mine] = means[mine] > DARK_SHARE * means[mine].median()
    return bright
