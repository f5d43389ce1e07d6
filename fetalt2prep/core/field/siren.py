"""Sinusoidal representation network (SIREN, arXiv 2006.09661)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from fetalt2prep.core.geometry import Grid

PUBLISHED_WIDTH, PUBLISHED_DEPTH = 330, 6  # hidden units and hidden layers after the first, arXiv 2508.10680


class Siren(nn.Module):
    """Features of world position: ``sin(omega (W x + b))`` layer upon layer.

    Positions are centred on the grid and divided by 45 mm, one scale for every axis and every grid, so that the network
    means the same at every lattice spacing. Initialisation as published: first layer U(-1/n, 1/n), others
    U(+-sqrt(6/n)/omega).
    """

    by_point = True

    def __init__(
        self, grid: Grid, width: int = PUBLISHED_WIDTH, depth: int = PUBLISHED_DEPTH, omega: float = 30.0
    ) -> None:
        super().__init__()
        self.grid = grid
        self.n_features = width
        self.floats_per_point = 2 * width * (depth + 1)  # each sine's input and output
        self.omega = omega
        centre = [
            o + s * (n - 1) / 2 for o, s, n in zip(grid.origin_mm, [grid.spacing_mm] * 3, grid.shape, strict=True)
        ]
        self.register_buffer("centre_mm", torch.tensor(centre, dtype=torch.float32))
        layers = [nn.Linear(3, width)] + [nn.Linear(width, width) for _ in range(depth)]
        self.layers = nn.ModuleList(layers)
        for number, layer in enumerate(layers):
            bound = 1 / 3 if number == 0 else math.sqrt(6 / width) / omega
            nn.init.uniform_(layer.weight, -bound, bound)
            nn.init.uniform_(layer.bias, -bound, bound)

    centre_mm: Tensor

    def on_lattice(self, index: Tensor) -> Tensor:
        """Features at the grid's points with these flat indices, (n,) -> (feature, n)."""
        return self(self.grid.position_mm(index)).T

    def forward(self, points_mm: Tensor) -> Tensor:
        """Features at world points, (n, 3) -> (n, feature)."""
        hidden = (points_mm - self.centre_mm) / 45.0
        for layer in self.layers:
            hidden = torch.sin(self.omega * layer(hidden))
        return hidden

    def refine(self, grid: Grid) -> None:
        """Take up a finer lattice; the network itself has no resolution."""
        self.grid = grid
