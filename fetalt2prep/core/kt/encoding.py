"""Features of space and time for image series: a pyramid of dense grids, or the shared hash grid and SIREN.

Coordinates are frames and pixels: pixel (i, j) of frame t lies at (t, i, j). All encodings answer on the product of
three axes, which is what series are; between frames and pixels they interpolate.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor, nn

from fetalt2prep.core.field.hash_grid import HashGrid
from fetalt2prep.core.field.siren import Siren
from fetalt2prep.core.geometry import Grid

COARSEST = 16.0  # pixels
SIREN_WIDTH, SIREN_DEPTH = 96, 3


class SeriesEncoding(Protocol):
    """What :class:`~fetalt2prep.core.kt.field.SeriesField` asks of an encoding."""

    n_features: int
    n_levels: int

    def __call__(self, axes: tuple[Tensor, Tensor, Tensor], n_awake: int) -> Tensor:
        """Features (t, y, x, feature) on the product of three axes; levels from ``n_awake`` on say nothing."""
        ...


class SpaceTimePyramid(nn.Module):
    """Dense grids of (time, y, x) from coarse to fine whose interpolated values are summed.

    Level l has nodes every ``spacings[l] = (frames, pixels)``; values are cubic splines along time, linear in space. A
    series' finest grid has no more nodes than the series has pixels: tables as large as that need no hash, and
    on a product of axes interpolation is three small matrix products.
    """

    def __init__(self, shape: tuple[int, int, int], spacings: tuple[tuple[float, float], ...], n_features: int) -> None:
        """shape: (frame, y, x) of the series; spacings: of each level, frames and pixels, from coarse to fine."""
        super().__init__()
        self.spacings, self.n_levels, self.n_features = spacings, len(spacings), n_features
        sizes = [
            [math.ceil((shape[0] - 1) / time) + 3, *(math.ceil((n - 1) / px) + 1 for n in shape[1:])]
            for time, px in spacings
        ]
        self.levels = nn.ParameterList(torch.zeros(n_features, *size) for size in sizes)

    def forward(self, axes: tuple[Tensor, Tensor, Tensor], n_awake: int) -> Tensor:
        """See :class:`SeriesEncoding`."""
        t, y, x = axes
        total = t.new_zeros(self.n_features, len(t), len(y), len(x))
        for level, (time, px) in list(zip(self.levels, self.spacings, strict=True))[:n_awake]:
            _, n_t, n_y, n_x = level.shape
            grid = torch.einsum("Tt,ftyx->fTyx", cubic(t / time, n_t), level)
            grid = grid if _are_nodes(y / px, n_y) else torch.einsum("Yy,ftyx->ftYx", linear(y / px, n_y), grid)
            grid = grid if _are_nodes(x / px, n_x) else torch.einsum("Xx,ftyx->ftyX", linear(x / px, n_x), grid)
            total = total + grid
        return total.permute(1, 2, 3, 0)


class HashSeries(nn.Module):
    """The hash grid that the reconstruction uses too, one pixel and one frame taken as 1."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self._shape = shape
        self.hash = HashGrid(self._grid(1.0), COARSEST, 1.0)
        self.n_features, self.n_levels = self.hash.n_features, len(self.hash.spacings_mm)

    def forward(self, axes: tuple[Tensor, Tensor, Tensor], n_awake: int) -> Tensor:
        """See :class:`SeriesEncoding`."""
        self.hash.refine(self._grid(self.hash.spacings_mm[n_awake - 1]))
        return self.hash(_points(axes)).reshape(*(len(axis) for axis in axes), -1)

    def _grid(self, spacing: float) -> Grid:
        return Grid((0.0, 0.0, 0.0), spacing, self._shape)


class SirenSeries(nn.Module):
    """A small SIREN; time runs as space does, a frame as a pixel. It has one level."""

    n_levels = 1

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.siren = Siren(Grid((0.0, 0.0, 0.0), 1.0, shape), SIREN_WIDTH, SIREN_DEPTH)
        self.n_features = self.siren.n_features

    def forward(self, axes: tuple[Tensor, Tensor, Tensor], n_awake: int) -> Tensor:
        """See :class:`SeriesEncoding`; a SIREN has no levels that could be asleep."""
        return self.siren(_points(axes)).reshape(*(len(axis) for axis in axes), -1)


def linear(at: Tensor, n: int) -> Tensor:
    """Matrix (point, n) of linear interpolation between nodes 0..n-1; beyond them the border's."""
    at = at.clamp(0, n - 1)
    return (1 - (at[:, None] - torch.arange(n, device=at.device)).abs()).clamp(min=0)


def cubic(at: Tensor, n: int) -> Tensor:
    """Matrix (point, n) of cubic B-splines centred at -1..n-2: rows sum to 1 for points in 0..n-3."""
    far = (at.clamp(0, n - 3)[:, None] - torch.arange(-1, n - 1, device=at.device)).abs()
    near = 2 / 3 - far.square() + far**3 / 2
    return torch.where(far < 1, near, (2 - far).clamp(min=0) ** 3 / 6)


def _are_nodes(at: Tensor, n: int) -> bool:
    """Whether points are the nodes 0..n-1 themselves: nothing to interpolate."""
    return len(at) == n and torch.equal(at, torch.arange(n, dtype=at.dtype, device=at.device))


def _points(axes: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
