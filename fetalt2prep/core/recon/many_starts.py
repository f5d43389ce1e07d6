"""Rigid motion of some points that agrees best with a rough volume, from many starts.

No gradient has the capture range of a fetus that turned over; motions tried in bulk have, in a fraction of a second.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fetalt2prep.core.geometry import rotation_matrix
from fetalt2prep.core.recon.rough_volumes import RoughVolumes, correlation

ANGLES_DEG = (12.0, 24.0, 36.0)  # about 13 axes, both ways
FLIPS_DEG = (90.0, 180.0, 270.0)  # about the world axes
STEP_RAD, STEP_MM = torch.pi / 30, 4.0  # of the first round
BEAM, HALVINGS = 8, 5


@dataclass(frozen=True, kw_only=True)
class Template:
    """Points with their values, and the volume that they are to be found in."""

    volumes: RoughVolumes
    volume: Tensor  # (x, y, z) on the grid of ``volumes``
    points_mm: Tensor  # (n, 3)
    values: Tensor  # (n,)
    price: Callable[[Tensor, Tensor], Tensor]
    """Correlation that motions (k, 3, 3), (k, 3) have to bring more than others, (k,)."""

    @property
    def middle_mm(self) -> Tensor:
        """Mean of the points, (3,): turns are about it."""
        return self.points_mm.mean(0)

    def about_origin(self, rotation: Tensor, shift_mm: Tensor) -> Tensor:
        """Shift t of ``x -> R x + t`` for a turn (3, 3) about the middle and a shift (3,)."""
        return self.middle_mm + shift_mm - rotation @ self.middle_mm

    def correlation(self, rotations: Tensor, shifts_mm: Tensor) -> Tensor:
        """With the volume, of the points moved by (k, 3, 3) about their middle and by (k, 3), (k,)."""
        moved = (self.points_mm - self.middle_mm) @ rotations.transpose(1, 2) + self.middle_mm + shifts_mm[:, None]
        return correlation(self.volumes.sample(self.volume, moved), self.values)

    def agreement(self, rotations: Tensor, shifts_mm: Tensor) -> Tensor:
        """Correlation less the price of the motion, (k,)."""
        return self.correlation(rotations, shifts_mm) - self.price(rotations, shifts_mm)


def best_motion(template: Template, rotations: Tensor, shifts_mm: Tensor) -> tuple[Tensor, Tensor]:
    """Best motion found from starts (k, 3, 3) and (k, 3): rotation (3, 3) about the middle, and shift (3,).

    A beam of the best starts takes steps along each of the six parameters, five times halved.
    """
    agreement = template.agreement(rotations, shifts_mm)
    step_rad, step_mm = STEP_RAD, STEP_MM
    nudges = torch.cat((torch.eye(6), -torch.eye(6))).to(agreement)
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
    return rotations[winner], shifts_mm[winner]


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
