"""Multi-resolution grid encoding: features on a pyramid of world-aligned grids, interpolated linearly and summed."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fetalt2prep.core.geometry import Grid

START_SPREAD = 0.05  # standard deviation of the features at the start


class GridPyramid(nn.Module):
    """Continuous features of space, ``z(x) = sum_l interpolate(grid_l, x)``.

    Level l has ``2^l`` times the finest spacing and shares its corners, so that on the lattice the sum is built by
    repeated doubling. The coarse levels carry what is smooth in a few steps of the optimiser, the fine ones the detail.
    The same idea as hash encodings (doi:10.1145/3528223.3530127) with every level dense: at a fetal brain's size a
    dense grid fits in memory, and no collision has to be learnt away.
    """

    by_point = False

    def __init__(self, grid: Grid, n_levels: int, n_features: int, start_spread: float = START_SPREAD) -> None:
        super().__init__()
        self.n_features = self.floats_per_point = n_features
        self._lay_out(grid, n_levels)
        for level in self.levels:
            nn.init.normal_(level, 0.0, start_spread)

    def _lay_out(self, grid: Grid, n_levels: int) -> None:
        if any((n - 1) % 2 ** (n_levels - 1) for n in grid.shape):
            raise ValueError(f"Grid {grid.shape}: shape - 1 must be a multiple of {2 ** (n_levels - 1)}.")
        self.grid = grid
        shapes = [[(n - 1) // 2**level + 1 for n in grid.shape] for level in range(n_levels)]
        self.levels = nn.ParameterList(torch.zeros(self.n_features, *shape) for shape in shapes)

    def on_lattice(self, index: Tensor) -> Tensor:
        """Features at the finest grid's points with these flat indices, (n,) -> (feature, n)."""
        return self._dense().flatten(1)[:, index]

    def forward(self, points_mm: Tensor) -> Tensor:
        """Features at any world points, (n, 3) -> (n, feature); beyond the grid its border's."""
        last = torch.tensor(self.grid.shape, device=points_mm.device) - 1
        where = (2.0 * self.grid.index_of(points_mm) / last - 1.0).flip(-1)  # grid_sample counts axes from the last
        sampled = F.grid_sample(
            self._dense()[None], where[None, :, None, None], padding_mode="border", align_corners=True
        )
        return sampled[0, :, :, 0, 0].T

    def refine(self, grid: Grid) -> None:
        """Take up another lattice: what is known becomes the level of the old spacing, the other levels start at zero.

        The grid may differ in extent and spacing; the number of levels stays, so the coarsest spacing shrinks too.
        """
        device = self.levels[0].device
        halvings = round(math.log2(self.grid.spacing_mm / grid.spacing_mm))
        level = min(max(halvings, 0), len(self.levels) - 1)
        with torch.no_grad():
            points = grid.points_mm(device)[:: 2**level, :: 2**level, :: 2**level]
            known = self(points.reshape(-1, 3)).T.reshape(self.n_features, *points.shape[:3])
            self._lay_out(grid, len(self.levels))
            self.to(device)
            self.levels[level].copy_(known)

    def _dense(self) -> Tensor:
        features = self.levels[-1]
        for finer in list(self.levels)[-2::-1]:  # coarse to fine, one doubling a level
            shape = tuple(finer.shape[1:])
            features = F.interpolate(features[None], size=shape, mode="trilinear", align_corners=True)[0] + finer
        return features
