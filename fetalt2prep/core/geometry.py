"""Rigid motions and world-aligned grids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def skew(vector: Tensor) -> Tensor:
    """Cross-product matrix, (*, 3) -> (*, 3, 3): ``skew(a) @ b = a x b``."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), -1).reshape(*vector.shape, 3)


def rotation_matrix(rotvec_rad: Tensor) -> Tensor:
    """Rotation about the vector by its length in radians (Rodrigues), (*, 3) -> (*, 3, 3)."""
    return torch.linalg.matrix_exp(skew(rotvec_rad))


def rotation_vector(matrix: Tensor) -> Tensor:
    """Inverse of :func:`rotation_matrix` for angles below pi, (*, 3, 3) -> (*, 3)."""
    cos = ((matrix.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2).clamp(-1, 1)
    angle = torch.arccos(cos)
    axis = torch.stack(
        (
            matrix[..., 2, 1] - matrix[..., 1, 2],
            matrix[..., 0, 2] - matrix[..., 2, 0],
            matrix[..., 1, 0] - matrix[..., 0, 1],
        ),
        -1,
    )
    scale = torch.where(angle < 1e-4, torch.full_like(angle, 0.5), angle / (2 * torch.sin(angle).clamp(min=1e-12)))
    return axis * scale[..., None]


@dataclass(frozen=True)
class Rigid:
    """Rotation about a centre, then a shift: ``x -> R (x - centre) + centre + shift``; millimetres, world axes."""

    rotation: Tensor  # (*, 3, 3)
    shift_mm: Tensor  # (*, 3)
    centre_mm: Tensor  # (*, 3)

    @classmethod
    def identity(cls, centre_mm: Tensor) -> Rigid:
        """No motion, (*, 3) centres."""
        eye = torch.eye(3, dtype=centre_mm.dtype, device=centre_mm.device).expand(*centre_mm.shape, 3)
        return cls(eye.contiguous(), torch.zeros_like(centre_mm), centre_mm)

    def select(self, which: Tensor) -> Rigid:
        """Some of the motions, by index or mask."""
        return Rigid(self.rotation[which], self.shift_mm[which], self.centre_mm[which])

    def replaced(self, which: Tensor, new: Rigid) -> Rigid:
        """The motions with those of an index or mask exchanged; centres stay."""
        rotation, shift_mm = self.rotation.clone(), self.shift_mm.clone()
        rotation[which], shift_mm[which] = new.rotation, new.shift_mm
        return Rigid(rotation, shift_mm, self.centre_mm)

    def nudged(self, rotvec_rad: Tensor, shift_mm: Tensor) -> Rigid:
        """The motion followed by a small rotation about the moved centre and a small shift, each (*, 3)."""
        return Rigid(rotation_matrix(rotvec_rad) @ self.rotation, self.shift_mm + shift_mm, self.centre_mm)

    def matrix(self) -> Tensor:
        """Motion as (*, 3, 4): ``x -> M[:, :3] x + M[:, 3]``."""
        offset = self.centre_mm + self.shift_mm - (self.rotation @ self.centre_mm[..., None])[..., 0]
        return torch.cat((self.rotation, offset[..., None]), -1)

    def followed_by(self, rotation: Tensor, shift_mm: Tensor) -> Rigid:
        """The motions and after them one more for all, ``x -> rotation x + shift``; (3, 3), (3,)."""
        moved = self.centre_mm + self.shift_mm
        return Rigid(rotation @ self.rotation, moved @ rotation.T + shift_mm - self.centre_mm, self.centre_mm)

    def move(self, points_mm: Tensor, which: Tensor) -> Tensor:
        """Points (n, 3), each by its own motion ``which`` (n,)."""
        arm = points_mm - self.centre_mm[which]
        return (self.rotation[which] @ arm[..., None])[..., 0] + (self.centre_mm + self.shift_mm)[which]

    def about(self, centre_mm: Tensor) -> Rigid:
        """The same motion written about other centres, (*, 3)."""
        matrix = self.matrix()
        moved = (matrix[..., :3] @ centre_mm[..., None])[..., 0] + matrix[..., 3]
        return Rigid(self.rotation, moved - centre_mm, centre_mm)


def best_rigid(source_mm: Tensor, target_mm: Tensor) -> tuple[Tensor, Tensor]:
    """Least-squares ``target = R source + t`` of points (n, 3) -> (3, 3), (3,); doi:10.1109/TPAMI.1987.4767965."""
    source_mean, target_mean = source_mm.mean(0), target_mm.mean(0)
    left, _, right = torch.linalg.svd((source_mm - source_mean).T @ (target_mm - target_mean))
    flip = torch.ones(3, dtype=source_mm.dtype, device=source_mm.device)
    flip[2] = torch.sign(torch.det(left @ right))
    rotation = (left @ torch.diag(flip) @ right).T
    return rotation, target_mean - rotation @ source_mean


@dataclass(frozen=True)
class Grid:
    """World-aligned lattice: index ``i`` lies at ``origin + i * spacing``, millimetres."""

    origin_mm: tuple[float, float, float]
    spacing_mm: float
    shape: tuple[int, int, int]

    @classmethod
    def around(cls, points_mm: Tensor, spacing_mm: float, margin_mm: float, multiple: int = 1) -> Grid:
        """Smallest grid that holds the points (n, 3) with a margin, and whose shape - 1 is a multiple of ``multiple``.

        Divisible intervals let coarser grids share the fine one's corners (see :mod:`fetalt2prep.core.field.grid`).
        """
        low = points_mm.min(0).values.cpu().double() - margin_mm
        extent = points_mm.max(0).values.cpu().double() + margin_mm - low
        cells = torch.ceil(extent / (spacing_mm * multiple)).long().clamp(min=1) * multiple
        slack = cells * spacing_mm - extent
        origin = (low - slack / 2).tolist()
        nx, ny, nz = (cells + 1).tolist()
        return cls((origin[0], origin[1], origin[2]), spacing_mm, (nx, ny, nz))

    @property
    def affine(self) -> NDArray[np.float64]:
        """Grid index to world millimetres, (4, 4)."""
        affine = np.diag([self.spacing_mm] * 3 + [1.0])
        affine[:3, 3] = self.origin_mm
        return affine

    @property
    def n_points(self) -> int:
        """Number of lattice points."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    def index_of(self, points_mm: Tensor) -> Tensor:
        """Continuous grid index of world points, (*, 3) -> (*, 3)."""
        origin = torch.tensor(self.origin_mm, dtype=points_mm.dtype, device=points_mm.device)
        return (points_mm - origin) / self.spacing_mm

    def position_mm(self, index: Tensor) -> Tensor:
        """World position of points by their flat index, (n,) -> (n, 3) float32."""
        _, ny, nz = self.shape
        position = torch.stack((index // (ny * nz), index // nz % ny, index % nz), -1).float()
        return torch.tensor(self.origin_mm, dtype=torch.float32, device=index.device) + position * self.spacing_mm

    def points_mm(self, device: torch.device | str = "cpu") -> Tensor:
        """World position of every lattice point, (x, y, z, 3) float32."""
        axes = [
            o + self.spacing_mm * torch.arange(n, dtype=torch.float64)
            for o, n in zip(self.origin_mm, self.shape, strict=True)
        ]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).float().to(device)
