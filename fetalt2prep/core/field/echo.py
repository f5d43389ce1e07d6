"""The field the reconstruction fits: position -> features -> small network -> log-signal at every echo time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from fetalt2prep.core.geometry import Grid

LEAK = 0.05  # slope below zero: with none, T2 can be one and the same value wherever all units have fallen silent


class Encoding(Protocol):
    """What :class:`EchoField` asks of an encoding; ``GridPyramid`` and ``Siren`` have it."""

    n_features: int
    grid: Grid
    by_point: bool
    """Whether a point's features take work of its own, and not a look into a table that all points share."""
    floats_per_point: int
    """Numbers kept for the gradient, for each point whose features are asked for."""

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
    """One shared field: all echoes come from the same features, through a small network or directly."""

    def __init__(self, encoding: Encoding, hidden: Sequence[int] | None, head: Head) -> None:
        """hidden: widths of the network's hidden layers; None: no network, the features are the head's inputs."""
        super().__init__()
        self.encoding = cast(nn.Module, encoding)
        self.head = cast(nn.Module, head)
        self.direct = hidden is None
        self.points_at_once: int | None = None
        self.floats_per_point = encoding.floats_per_point + 2 * sum(hidden or ()) + head.n_outputs
        if hidden is None:
            if encoding.n_features != head.n_outputs:
                raise ValueError(f"{encoding.n_features} features cannot be the head's {head.n_outputs} inputs.")
            self.network: nn.Module = nn.Identity()
            return
        widths = [encoding.n_features, *hidden]
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(widths):
            layers += [nn.Linear(n_in, n_out), nn.LeakyReLU(LEAK)]
        self.network = nn.Sequential(*layers, nn.Linear(widths[-1], head.n_outputs))

    def on_lattice(self, index: Tensor) -> Tensor:
        """Log-signal at lattice points, (n,) flat indices -> (echo, n).

        With ``points_at_once`` set, the network sees that many points at a time and is evaluated once more for the
        gradient, so that what its layers keep is bounded (arXiv 1604.06174).
        """
        encoding = cast(Encoding, self.encoding)
        if self.direct or self.points_at_once is None or len(index) <= self.points_at_once:
            return self._of_features(encoding.on_lattice(index))
        if encoding.by_point:
            pieces = [
                checkpoint(self._at, some, use_reentrant=False, preserve_rng_state=False)
                for some in index.split(self.points_at_once)
            ]
        else:
            pieces = [
                checkpoint(self._of_features, some, use_reentrant=False, preserve_rng_state=False)
                for some in encoding.on_lattice(index).split(self.points_at_once, 1)
            ]
        return torch.cat(pieces, 1)

    def _at(self, index: Tensor) -> Tensor:
        return self._of_features(cast(Encoding, self.encoding).on_lattice(index))

    def _of_features(self, features: Tensor) -> Tensor:
        return cast(Tensor, self.head(features if self.direct else self.network(features.T).T))

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

    @property
    def floats_per_point(self) -> int:
        """Numbers kept for the gradient, for each lattice point, in all networks."""
        return sum(field.floats_per_point for field in self._each())

    @property
    def points_at_once(self) -> int | None:
        """Points that each network sees at a time; None: all."""
        return self._each()[0].points_at_once

    @points_at_once.setter
    def points_at_once(self, number: int | None) -> None:
        for field in self._each():
            field.points_at_once = number

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
