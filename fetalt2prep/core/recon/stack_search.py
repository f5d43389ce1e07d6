"""Stacks searched from many starts against what the other stacks show, before anything is fitted.

A fetus may have turned between two stacks by more than the capture range of any gradient. A rough volume of the other
stacks, and rigid motions tried in bulk, cost a second and find the right basin; everything finer is left to the fit.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from fetalt2prep.core.geometry import Grid, Rigid, rotation_matrix
from fetalt2prep.core.recon.slices import Slices
from fetalt2prep.core.slice_op import blur

SPACING_MM = 3.2
ANGLES_DEG = (12.0, 24.0, 36.0)  # about 13 axes, both ways
FLIPS_DEG = (90.0, 180.0, 270.0)  # about the world axes
PENALTY_PER_RAD = 0.03  # correlation that a turn has to bring, so that a half turn of a symmetric brain does not win
GAIN_LEAST = 0.05  # correlation below which a stack stays where it is: what little is left, the fit finds
LEAST_SHARE = 0.6  # of the mean signal of the stack's median slice
MAX_POINTS = 3000
BEAM, HALVINGS = 8, 5


def search_stacks(slices: Slices) -> tuple[Rigid, dict[str, float]]:
    """Poses of all slices, each stack moved as a whole to where it agrees best with the others.

    Returns the poses and, for every stack that was moved, its name and the angle in degrees. Stacks are visited from
    the one that agrees least; a single stack stays where it is.
    """
    poses = Rigid.identity(slices.centres_mm)
    stacks = slices.stack_of[slices.slice_idx].unique().tolist()
    if len(stacks) < 2:
        return poses, {}
    values = _echo_free(slices)
    volumes = _Volumes(slices, values, poses)
    start = {stack: volumes.agreement(stack, *_stay(slices.points_mm)) for stack in stacks}
    moved: dict[str, float] = {}
    for stack in sorted(stacks, key=lambda number: float(start[number])):
        volumes = _Volumes(slices, values, poses)
        rotation, shift_mm, gain = _search(volumes, stack)
        if gain < GAIN_LEAST:
            continue
        mine = slices.stack_of == stack
        poses = _replaced(poses, mine, poses.select(mine).followed_by(rotation, shift_mm))
        moved[slices.names[stack]] = float(torch.rad2deg(_angle(rotation)))
    return poses, moved


def _echo_free(slices: Slices) -> Tensor:
    """Values over the mean of their echo time, (pixel,): what differs between echoes is left out, contrast remains."""
    n_echoes = len(slices.te_s)
    total = slices.values.new_zeros(n_echoes).index_add_(0, slices.echo_idx, slices.values)
    mean = total / slices.echo_idx.bincount(minlength=n_echoes).clamp(min=1)
    return slices.values / mean.clamp(min=1e-6)[slices.echo_idx]


def _bright_slices(slices: Slices) -> Tensor:
    """Slices that are not mostly void, (slice,): one dark slice would draw its whole stack along the normal."""
    means = slices.mean_per_slice(slices.values)
    bright = torch.ones_like(means, dtype=torch.bool)
    for stack in slices.stack_of.unique().tolist():
        mine = (slices.stack_of == stack) & (means > 0)
        bright[mine] = means[mine] > LEAST_SHARE * means[mine].median()
    return bright


class _Volumes:
    """Rough volume of every stack, so that a stack can be compared with the sum of the others."""

    def __init__(self, slices: Slices, values: Tensor, poses: Rigid) -> None:
        self.points_mm = poses.move(slices.points_mm, slices.slice_idx)
        self.values, self.stack = values, slices.stack_of[slices.slice_idx]
        self.usable = _bright_slices(slices)[slices.slice_idx]
        self.grid = Grid.around(self.points_mm, SPACING_MM, 4 * SPACING_MM)
        n_stacks = len(slices.names)
        cell = self.grid.index_of(self.points_mm).round().long()
        flat = (cell[:, 0] * self.grid.shape[1] + cell[:, 1]) * self.grid.shape[2] + cell[:, 2]
        column = self.stack * self.grid.n_points + flat
        column, values = column[self.usable], values[self.usable]
        empty = values.new_zeros(n_stacks * self.grid.n_points)
        shape = (n_stacks, *self.grid.shape)
        # a stack's planes lie further apart than the grid's points: blurred until they touch
        self._sum = blur(empty.index_add(0, column, values).reshape(shape), 0.8)
        self._count = blur(empty.index_add(0, column, torch.ones_like(values)).reshape(shape), 0.8)

    def others(self, stack: int) -> Tensor:
        """Mean of the other stacks, (x, y, z); fades to 0 where they have no pixel."""
        total, count = self._sum.sum(0) - self._sum[stack], self._count.sum(0) - self._count[stack]
        return total / (count + 0.1 * count.max())

    def points_of(self, stack: int) -> tuple[Tensor, Tensor]:
        """At most ``MAX_POINTS`` of a stack's points (n, 3) and their values (n,)."""
        mine = ((self.stack == stack) & self.usable).nonzero()[:, 0]
        mine = mine[:: max(1, len(mine) // MAX_POINTS)]
        return self.points_mm[mine], self.values[mine]

    def agreement(self, stack: int, rotations: Tensor, shifts_mm: Tensor) -> Tensor:
        """Correlation of a stack, moved by (k, 3, 3) about its middle and (k, 3), with the others, less the turn's."""
        points, values = self.points_of(stack)
        middle = points.mean(0)
        moved = (points - middle) @ rotations.transpose(1, 2) + middle + shifts_mm[:, None]
        size = torch.tensor(self.grid.shape, device=points.device)
        at = 2 * self.grid.index_of(moved) / (size - 1) - 1
        seen = torch.nn.functional.grid_sample(
            self.others(stack)[None, None], at.flip(-1)[None, :, :, None], align_corners=True
        )[0, 0, ..., 0]
        seen = seen - seen.mean(1, keepdim=True)
        centred = values - values.mean()
        correlation = (seen @ centred) / (seen.norm(dim=1) * centred.norm()).clamp(min=1e-9)
        return correlation - PENALTY_PER_RAD * _angle(rotations)


def _search(volumes: _Volumes, stack: int) -> tuple[Tensor, Tensor, float]:
    """Best motion of a stack as ``x -> R x + t``, and what it gains over staying."""
    points, _ = volumes.points_of(stack)
    middle = points.mean(0)
    others = volumes.points_mm[volumes.stack != stack].mean(0)
    turns = _turns().to(points)
    rotation = rotation_matrix(torch.cat((turns, turns)))
    shift_mm = torch.cat((torch.zeros_like(turns), (others - middle).expand_as(turns)))
    agreement = volumes.agreement(stack, rotation, shift_mm)
    stay = float(agreement[0])
    step_rad, step_mm = torch.pi / 30, 4.0
    for _ in range(HALVINGS):
        for _ in range(2):  # once to get there, once more to settle
            best = agreement.topk(min(BEAM, len(agreement))).indices
            rotation, shift_mm, agreement = rotation[best], shift_mm[best], agreement[best]
            nudges = torch.cat((torch.eye(6), -torch.eye(6))).to(points)
            tried = (rotation_matrix(nudges[:, None, :3] * step_rad) @ rotation).flatten(0, 1)
            tried_mm = (shift_mm + nudges[:, None, 3:] * step_mm).flatten(0, 1)
            rotation = torch.cat((rotation, tried))
            shift_mm = torch.cat((shift_mm, tried_mm))
            agreement = torch.cat((agreement, volumes.agreement(stack, tried, tried_mm)))
        step_rad, step_mm = step_rad / 2, step_mm / 2
    winner = int(agreement.argmax())
    return rotation[winner], middle + shift_mm[winner] - rotation[winner] @ middle, float(agreement[winner]) - stay


def _turns() -> Tensor:
    """Rotation vectors to start from, (k, 3): none, some about 26 directions, and flips about the axes."""
    directions = torch.tensor([d for d in itertools.product((-1.0, 0.0, 1.0), repeat=3) if any(d)])
    directions = directions / directions.norm(dim=1, keepdim=True)
    turns = [torch.zeros(1, 3)]
    turns += [directions * torch.pi / 180 * angle for angle in ANGLES_DEG]
    turns += [torch.eye(3) * torch.pi / 180 * angle for angle in FLIPS_DEG]
    return torch.cat(turns)


def _angle(rotations: Tensor) -> Tensor:
    """Angle of rotations (*, 3, 3) -> (*), radians, up to and with half turns."""
    return torch.arccos(((rotations.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2).clamp(-1, 1))


def _stay(like: Tensor) -> tuple[Tensor, Tensor]:
    return torch.eye(3).to(like)[None], torch.zeros(1, 3).to(like)


def _replaced(poses: Rigid, mine: Tensor, new: Rigid) -> Rigid:
    rotation, shift_mm = poses.rotation.clone(), poses.shift_mm.clone()
    rotation[mine], shift_mm[mine] = new.rotation, new.shift_mm
    return Rigid(rotation, shift_mm, poses.centre_mm)
