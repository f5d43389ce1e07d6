"""Multi-resolution hash encoding (doi:10.1145/3528223.3530127), in plain torch."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fetalt2prep.core.geometry import Grid

N_ENTRIES, N_FEATURES = 2**19, 2  # of the table of each level
PRIMES = (1, 2_654_435_761, 805_459_861)  # as published
START_SPREAD = 0.05  # standard deviation of the features that are there from the start


class HashGrid(nn.Module):
    """Features of world position: of each level those of the eight corners around, found by hash, interpolated.

    Level l is a lattice of ``coarsest / 2^l`` through the world's origin, whose corners share a table of fixed size;
    what collides, the network has to tell apart. Levels finer than the present lattice are silent, and zero until
    :meth:`refine` wakes them, so that what is known stays.
    """

    by_point = True

    def __init__(self, grid: Grid, coarsest_mm: float, finest_mm: float) -> None:
        """coarsest_mm, finest_mm: spacing of the first and the last level; their ratio is a power of two, or nearly."""
        super().__init__()
        self.grid = grid
        n_levels = 1 + max(0, round(math.log2(coarsest_mm / finest_mm)))
        self.spacings_mm = [coarsest_mm / 2**level for level in range(n_levels)]
        self.n_features = n_levels * N_FEATURES
        self.floats_per_point = n_levels * 24  # indices of eight corners (64 bits) and their weights
        self.tables = nn.ParameterList(torch.zeros(N_ENTRIES, N_FEATURES) for _ in self.spacings_mm)
        for level in range(self._n_awake()):
            nn.init.normal_(self.tables[level], 0.0, START_SPREAD)

    def _n_awake(self) -> int:
        return sum(spacing > 0.75 * self.grid.spacing_mm for spacing in self.spacings_mm)

    def on_lattice(self, index: Tensor) -> Tensor:
        """Features at the grid's points with these flat indices, (n,) -> (feature, n)."""
        return self(self.grid.position_mm(index)).T

    def forward(self, points_mm: Tensor) -> Tensor:
        """Features at world points, (n, 3) -> (n, feature)."""
        n_awake = self._n_awake()
        found = [self._level(level, points_mm) for level in range(n_awake)]
        silent = points_mm.new_zeros(len(points_mm), N_FEATURES * (len(self.tables) - n_awake))
        return torch.cat([*found, silent], 1)

    def _level(self, level: int, points_mm: Tensor) -> Tensor:
        at = points_mm / self.spacings_mm[level]
        low = torch.floor(at)
        fraction = at - low
        cell = low.long()
        corners, weights = [], []
        for corner in range(8):  # the corners of a cell
            step = torch.tensor([corner >> 2 & 1, corner >> 1 & 1, corner & 1], device=points_mm.device)
            x, y, z = (cell + step).unbind(-1)
            corners.append((x * PRIMES[0] ^ y * PRIMES[1] ^ z * PRIMES[2]) & (N_ENTRIES - 1))
            weights.append(torch.where(step.bool(), fraction, 1 - fraction).prod(-1))
        return F.embedding_bag(
            torch.stack(corners, 1), self.tables[level], per_sample_weights=torch.stack(weights, 1), mode="sum"
        )

    def refine(self, grid: Grid) -> None:
        """Take up another lattice; its levels wake, and say nothing yet."""
        self.grid = grid
