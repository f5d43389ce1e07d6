"""Do the pictures of several stacks show the same head, the same way round?

Each stack is moved as a whole, over plausible motions, to where it agrees best with the mean of the others; and once
more for each way in which its axes may have been reversed. A header that was changed without its pixels agrees better
reversed; a stack of something else agrees nowhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fetalt2prep.core.geometry import Grid, rotation_matrix, rotation_vector
from fetalt2prep.core.quality.rough import Rough, common_grid

FLIPS = tuple((i, j, k) for i, j, k in itertools.product((1.0, -1.0), repeat=3))
"""Signs of the three voxel axes; the first is as the header says."""
STARTS_DEG = (15.0, 30.0)
WIDE_DEG = (60.0, 90.0, 120.0, 180.0)
WIDE_BELOW = 0.5
"""Correlation below which large turns are tried too: the fetus may have turned between two stacks."""
STEPS = ((0.14, 6.0), (0.07, 3.0), (0.035, 1.5), (0.0175, 0.75))
"""Turns (rad) and shifts (mm) that are tried in turn."""
BEAM = 2
N_REFINED = 2
"""Reversals that are followed to the end: those that agree best after the coarsest step."""
LEAST_COVERED = 0.5
"""Share of a stack's points that must lie where other stacks have pixels."""
PENALTY_PER_RAD = 0.03
"""Correlation that a turn has to bring; as in the search before the reconstruction."""


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """Where a stack agrees best with the others."""

    rotation: Tensor  # (3, 3): x -> rotation (x - centre) + centre + shift, from the stack's world to the common one
    shift_mm: Tensor  # (3,)
    correlation: float
    """With the mean of the others, -1 to 1; NaN where there are no others."""
    flip: tuple[float, float, float]
    """Signs of the voxel axes under which it agrees best."""
    flip_gain: float
    """Correlation under those signs minus that under the header's own, both at their best."""

    @property
    def turn_deg(self) -> float:
        """Angle of the turn."""
        return float(torch.rad2deg(rotation_vector(self.rotation).norm()))

    @property
    def is_mirror(self) -> bool:
        """Whether the better signs mirror the picture, which no motion can."""
        return self.flip[0] * self.flip[1] * self.flip[2] < 0


def align_stacks(roughs: Sequence[Rough], *, n_rounds: int = 2) -> list[Alignment]:
    """Alignment of each stack with the mean of the others, after ``n_rounds`` in which all are moved.

    A single stack stays where it is, with a correlation of NaN.
    """
    found = [_stay() for _ in roughs]
    if len(roughs) < 2:
        return found
    grid = common_grid(torch.stack([rough.centre_mm for rough in roughs]).median(0).values)
    points = grid.points_mm()
    for turn in range(n_rounds):
        volumes = [resampled(rough, at, points) for rough, at in zip(roughs, found, strict=True)]
        trust = torch.tensor([max(at.correlation, 0.05) ** 2 if turn else 1.0 for at in found])
        total = sum(w * picture for w, (picture, _) in zip(trust, volumes, strict=True))
        count = sum(w * inside for w, (_, inside) in zip(trust, volumes, strict=True))
        last = turn == n_rounds - 1
        for n, rough in enumerate(roughs):
            picture, inside = volumes[n]
            weight = count - trust[n] * inside
            others = _Others((total - trust[n] * picture) / weight.clamp(min=1e-6), (weight > 1e-3).float(), grid)
            middle = torch.stack([r.centre_mm for k, r in enumerate(roughs) if k != n]).median(0).values
            found[n] = _best(rough, others, middle, FLIPS if last else FLIPS[:1])
    return found


def resampled(rough: Rough, at: Alignment, points_mm: Tensor) -> tuple[Tensor, Tensor]:
    """A stack's picture, moved, at points of the common space (*, 3), and where it has pixels (0 or 1)."""
    seen, inside = rough.at(rough.picture, into_stack(rough, at, points_mm))
    return seen, inside.float()


def into_stack(rough: Rough, at: Alignment, points_mm: Tensor) -> Tensor:
    """Points of the common space where the stack has them, (*, 3)."""
    return (points_mm - rough.centre_mm - at.shift_mm) @ at.rotation + rough.centre_mm


def out_of_stack(rough: Rough, at: Alignment, points_mm: Tensor) -> Tensor:
    """Inverse of :func:`into_stack`: where points of the stack (*, 3), mm, lie in the common space."""
    return (points_mm - rough.centre_mm) @ at.rotation.T + rough.centre_mm + at.shift_mm


@dataclass(frozen=True)
class _Others:
    """Mean picture of the other stacks and where they have pixels, (x, y, z)."""

    picture: Tensor
    covered: Tensor
    grid: Grid

    def correlation(self, values: Tensor, points_mm: Tensor) -> Tensor:
        """With values (n,) at points (k, n, 3) -> (k,); -1 where too few lie in other stacks."""
        size = torch.tensor(self.grid.shape, dtype=points_mm.dtype)
        at = 2 * self.grid.index_of(points_mm) / (size - 1) - 1
        both = torch.stack((self.picture, self.covered))[None]
        seen, inside = torch.nn.functional.grid_sample(both, at.flip(-1)[None, :, :, None], align_corners=True)[
            0, ..., 0
        ]
        inside = (inside > 0.99).float()
        n = inside.sum(1, keepdim=True).clamp(min=1)
        a = (values - (values * inside).sum(1, keepdim=True) / n) * inside
        b = (seen - (seen * inside).sum(1, keepdim=True) / n) * inside
        found = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)).clamp(min=1e-9)
        return torch.where(inside.mean(1) < LEAST_COVERED, torch.full_like(found, -1.0), found)


def _best(rough: Rough, others: _Others, middle_mm: Tensor, flips: Sequence[tuple[float, float, float]]) -> Alignment:
    """The best motion under each of the signs, and which signs are best."""

    def search(
        signs: tuple[float, float, float], angles_deg: Sequence[float], steps: Sequence[tuple[float, float]] = STEPS
    ) -> tuple[Tensor, Tensor, float]:
        return _search(rough, others, middle_mm, _reversed(rough, signs), _turns(angles_deg), steps)

    as_told, flip, gain = search(flips[0], STARTS_DEG), flips[0], 0.0
    if len(flips) > 1:
        if as_told[2] < WIDE_BELOW:
            far = search(flips[0], (*STARTS_DEG, *WIDE_DEG))
            as_told = max(as_told, far, key=lambda found: found[2])
        promising = sorted(flips[1:], key=lambda signs: -search(signs, STARTS_DEG, STEPS[:1])[2])[:N_REFINED]
        for signs in promising:
            found = search(signs, STARTS_DEG)[2] - as_told[2]
            flip, gain = (signs, found) if found > gain else (flip, gain)
    return Alignment(rotation=as_told[0], shift_mm=as_told[1], correlation=as_told[2], flip=flip, flip_gain=gain)


def _reversed(rough: Rough, signs: tuple[float, float, float]) -> Tensor:
    """World matrix (3, 3) that reverses voxel axes."""
    axes = torch.linalg.inv(rough.world_to_index[:3, :3])
    return axes @ torch.diag(torch.tensor(signs)) @ torch.linalg.inv(axes)


def _turns(angles_deg: Sequence[float]) -> Tensor:
    """Rotation vectors (rad) to start from, (k, 3): none, and these angles about 6 directions, or 26 beyond 45 deg."""
    axes = torch.cat((torch.eye(3), -torch.eye(3)))
    many = torch.tensor([d for d in itertools.product((-1.0, 0.0, 1.0), repeat=3) if any(d)])
    many = many / many.norm(dim=1, keepdim=True)
    turns = [(axes if deg < 45 else many) * deg for deg in angles_deg]
    return torch.deg2rad(torch.cat((torch.zeros(1, 3), *turns)))


def _search(
    rough: Rough,
    others: _Others,
    middle_mm: Tensor,
    flip: Tensor,
    turns: Tensor,
    steps: Sequence[tuple[float, float]],
) -> tuple[Tensor, Tensor, float]:
    """Rotation, shift and correlation of the best motion after a flip about the middle of the mask."""
    arm = (rough.points_mm - rough.centre_mm) @ flip.T

    def scores(rotation: Tensor, shift_mm: Tensor) -> tuple[Tensor, Tensor]:
        points = arm @ rotation.transpose(1, 2) + rough.centre_mm + shift_mm[:, None]
        plain = others.correlation(rough.values, points)
        angle = torch.arccos(((rotation.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2).clamp(-1, 1))
        return plain, plain - PENALTY_PER_RAD * angle

    rotation = rotation_matrix(turns.repeat(2, 1))
    away = (middle_mm - rough.centre_mm).expand(len(turns), 3)
    shift_mm = torch.cat((torch.zeros_like(away), away))
    plain, score = scores(rotation, shift_mm)
    nudges = torch.cat((torch.eye(6), -torch.eye(6)))
    for step_rad, step_mm in steps:
        for _ in range(2):  # once to get there, once more to settle
            best = score.topk(min(BEAM, len(score))).indices
            rotation, shift_mm, plain, score = rotation[best], shift_mm[best], plain[best], score[best]
            tried = (rotation_matrix(nudges[:, :3] * step_rad) @ rotation[:, None]).flatten(0, 1)
            tried_mm = (shift_mm[:, None] + nudges[:, 3:] * step_mm).flatten(0, 1)
            new_plain, new_score = scores(tried, tried_mm)
            rotation, shift_mm = torch.cat((rotation, tried)), torch.cat((shift_mm, tried_mm))
            plain, score = torch.cat((plain, new_plain)), torch.cat((score, new_score))
    winner = int(score.argmax())
    return rotation[winner], shift_mm[winner], float(plain[winner])


def _stay() -> Alignment:
    return Alignment(
        rotation=torch.eye(3), shift_mm=torch.zeros(3), correlation=float("nan"), flip=FLIPS[0], flip_gain=0.0
    )
