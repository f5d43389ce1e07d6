"""The field the reconstruction fits: position -> features -> small network -> log-signal at every echo time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from fetalt2prep.core.geometry import Grid

LEAK = 0.05  # slope below zero: with none, T2 can be one and the same value wherever all units have fallen silent


class Encoding(Protocol):
    """What :class:`EchoField` asks of an encoding; ``GridPyramid`` and ``Siren`` have it."""

    n_features: int
    grid: Grid

    def on_lattice(self, index: Tensor) -> Tensor:
        """Features at lattice points, (n,) flat indices -> (feature, n)."""
        ...

    def __call__(self, points_mm: Tensor) -> Tensor:
        """Features at world points, (n, 3) -> (n, feature)."""
        ...

    def refine(self, grid: Grid) -> None:
        """Take up another lattice."""
        ...


class Head(Protocol):
    """From network outputs (n_outputs, n) to log-signal (echo, n)."""

    n_outputs: int

    def __call__(self, outputs: Tensor) -> Tensor:
        """(n_outputs, n) -> (echo, n)."""
        ...


class EchoField(nn.Module):
    """One shared field: all echoes come from the same features."""

    def __init__(self, encoding: Encoding, hidden: Sequence[int], head: Head) -> None:
        super().__init__()
        self.encoding = cast(nn.Module, encoding)
        widths = [encoding.n_features, *hidden]
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(widths):
            layers += [nn.Linear(n_in, n_out), nn.LeakyReLU(LEAK)]
        self.network = nn.Sequential(*layers, nn.Linear(widths[-1], head.n_outputs))
        self.head = cast(nn.Module, head)

    def on_lattice(self, index: Tensor) -> Tensor:
        """Log-signal at lattice points, (n,) flat indices -> (echo, n)."""
        features: Tensor = cast(Encoding, self.encoding).on_lattice(index)
        return cast(Tensor, self.head(self.network(features.T).T))

    def forward(self, points_mm: Tensor) -> Tensor:
        """Log-signal at any world points, (n, 3) -> (echo, n)."""
        return cast(Tensor, self.head(self.network(self.encoding(points_mm)).T))

    @property
    def grid(self) -> Grid:
        """The encoding's lattice."""
        return cast(Encoding, self.encoding).grid

    def refine(self, grid: Grid) -> None:
        """Take up another lattice."""
        cast(Encoding, self.encoding).refine(grid)

    def encoding_parameters(self) -> list[nn.Parameter]:
        """Parameters of the encoding, which learn faster than the network's."""
        return list(self.encoding.parameters())

    def network_parameters(self) -> list[nn.Parameter]:
        """Parameters of the small network."""
        return list(self.network.parameters())


class SeparateFields(nn.Module):
    """One field per echo, nothing shared: the published single-channel baseline (``sc``)."""

    def __init__(self, fields: Sequence[EchoField]) -> None:
        super().__init__()
        self.fields = nn.ModuleList(fields)

    def _each(self) -> list[EchoField]:
        return [cast(EchoField, field) for field in self.fields]

    def on_lattice(self, index: Tensor) -> Tensor:
        """Log-signal at lattice points, (n,) flat indices -> (echo, n)."""
        return torch.cat([field.on_lattice(index) for field in self._each()])

    def forward(self, points_mm: Tensor) -> Tensor:
        """Log-signal at any world points, (n, 3) -> (echo, n)."""
        return torch.cat([field(points_mm) for field in self._each()])

    @property
    def grid(self) -> Grid:
        """The lattice of all fields."""
        return self._each()[0].grid

    def refine(self, grid: Grid) -> None:
        """Take up another lattice."""
        for field in self._each():
            field.refine(grid)

    def encoding_parameters(self) -> list[nn.Parameter]:
        """Parameters of all encodings."""
        return [parameter for field in self._each() for parameter in field.encoding_parameters()]

    def network_parameters(self) -> list[nn.Parameter]:
        """Parameters of all small networks."""
        return [parameter for field in self._each() for parameter in field.network_parameters()]
