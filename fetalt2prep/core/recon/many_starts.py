"""Rigid motion of some points that agrees best with a rough volume, from many starts.

No gradient has the capture range of a fetus that turned over; motions tried in bulk have, in a fraction of a second.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from fetalt2prep.core.geometry import rotation_matrix
from fetalt2prep.core.recon.rough_volumes import RoughVolumes, correlation

ANGLES_DEG = (12.0, 24.0, 36.0)  # about 13 axes, both ways
FLIPS_DEG = (90.0, 180.0, 270.0)  # about the world axes
PENALTY_PER_RAD = 0.03  # correlation that a turn has to bring, so that a half turn of a symmetric brain does not win
STEP_RAD, STEP_MM = torch.pi / 30, 4.0  # of the first round
BEAM, HALVINGS = 8, 5


@dataclass(frozen=True, kw_only=True)
class Template:
    """Points with their values, and the volume that they are to be found in."""

    volumes: RoughVolumes
    volume: Tensor  # (x, y, z) on the grid of ``volumes``
    points_mm: Tensor  # (n, 3)
    values: Tensor  # (n,)

    @property
    def middle_mm(self) -> Tensor:
        """Mean of the points, (3,): turns are about it."""
        return self.points_mm.mean(0)

    def agreement(self, rotations: Tensor, shifts_mm: Tensor) -> Tensor:
        """Correlation of the points, moved by (k, 3, 3) about their middle and (k, 3), less the turn's price, (k,)."""
        moved = (self.points_mm - self.middle_mm) @ rotations.transpose(1, 2) + self.middle_mm + shifts_mm[:, None]
        seen = self.volumes.sample(self.volume, moved)
        return correlation(seen, self.values) - PENALTY_PER_RAD * angle(rotations)


def best_motion(template: Template, rotations: Tensor, shifts_mm: Tensor) -> tuple[Tensor, Tensor, float]:
    """Best motion found from starts (k, 3, 3) and (k, 3): rotation and shift of ``x -> R x + t``, and its agreement.

    A beam of the best starts takes steps along each of the six parameters, five times halved.
    """
    middle = template.middle_mm
    agreement = template.agreement(rotations, shifts_mm)
    step_rad, step_mm = STEP_RAD, STEP_MM
    nudges = torch.cat((torch.eye(6), -torch.eye(6))).to(middle)
    for _ in range(HALVINGS):
        for _ in range(2):  # once to get there, once more to settle
            best = agreement.topk(min(BEAM, len(agreement))).indices
            rotations, shifts_mm, agreement = rotations[best], shifts_mm[best], agreement[best]
            tried = (rotation_matrix(nudges[:, None, :3] * step_rad) @ rotations).flatten(0, 1)
            tried_mm = (shifts_mm + nudges[:, None, 3:] * step_mm).flatten(0, 1)
            rotations = torch.cat((rotations, tried))
            shifts_mm = torch.cat((shifts_mm, tried_mm))
            agreement = torch.cat((agreement, template.agreement(tried, tried_mm)))
        step_rad, step_mm = step_rad / 2, step_mm / 2
    winner = int(agreement.argmax())
    rotation = rotations[winner]
    return rotation, middle + shifts_mm[winner] - rotation @ middle, float(agreement[winner])


def turns() -> Tensor:
    """Rotation vectors to start from, (k, 3): none first, some about 26 directions, and flips about the axes."""
    directions = torch.tensor([d for d in itertools.product((-1.0, 0.0, 1.0), repeat=3) if any(d)])
    directions = directions / directions.norm(dim=1, keepdim=True)
    found = [torch.zeros(1, 3)]
    found += [directions * torch.pi / 180 * angle for angle in ANGLES_DEG]
    found += [torch.eye(3) * torch.pi / 180 * angle for angle in FLIPS_DEG]
    return torch.cat(found)


def angle(rotations: Tensor) -> Tensor:
    """Angle of rotations (*, 3, 3) -> (*), radians, up to and with half turns."""
    return torch.arccos(((rotations.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2).clamp(-1, 1))
