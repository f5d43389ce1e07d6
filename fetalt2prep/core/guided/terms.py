"""The two terms of the objective: acquired guides, and the acquired coarse data.

Each is a function of maps on the fine grid that gives ``sum over samples of |residual / sigma|^2 / 2``, Huber's beyond
three sigma. What is between them and the maps that are looked for is an optimiser's business, not theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fetalt2prep.core.guided.unknowns import Maps
from fetalt2prep.core.operator import apply
from fetalt2prep.core.signal import SignalModel
from fetalt2prep.core.truncation import KSpaceTruncation

HUBER_SIGMAS = 3.0


class Term(Protocol):
    """A cost of maps."""

    def __call__(self, maps: Maps) -> Tensor:
        """Scalar."""
        ...


@dataclass(frozen=True, kw_only=True)
class GuideTerm:
    """An acquired weighted image against the one that the maps would show: ``S_g(maps) - W_g``."""

    image: Tensor  # (*grid), in the scale of the maps' proton density
    model: SignalModel
    sigma: float | Tensor  # one, or (*grid)
    weight: Tensor  # (*grid), 0 to 1: where the guide is believed
    magnitude: bool = True  # the image has lost the signal's sign

    def __call__(self, maps: Maps) -> Tensor:
        """Cost of the guide's samples."""
        shown = self.model(maps.pd, maps.r1, maps.r2)
        shown = shown.abs() if self.magnitude else shown
        return (self.weight * huber((shown - self.image) / self.sigma)).sum()


@dataclass(frozen=True, kw_only=True)
class SignalAnchor:
    """Coarse images against the coarse view of those that the maps would show: ``D S_e(maps) - Y_e``."""

    images: Tensor  # (echo, *coarse)
    models: Sequence[SignalModel]
    see: KSpaceTruncation
    sigma: float
    mask: Tensor  # (*grid), 1 inside; outside there is no signal

    def __call__(self, maps: Maps) -> Tensor:
        """Cost of the coarse images' samples."""
        shown = torch.stack([self.mask * model(maps.pd, maps.r1, maps.r2) for model in self.models])
        return huber((apply(self.see, shown) - self.images) / self.sigma).sum()


@dataclass(frozen=True, kw_only=True)
class MapAnchor:
    """Coarse maps against the coarse view of the fine ones, for when no coarse images are left.

    The view of a map is not the map of a view: near fluid this term is wrong, so it is Huber's, and ``sigma`` follows
    the value of the map.
    """

    maps: Tensor  # (map, *coarse): proton density, T2 in s and, when there, T1 in s
    see: KSpaceTruncation
    sigma: Tensor  # (map, *coarse)
    mask: Tensor  # (*grid)

    def __call__(self, maps: Maps) -> Tensor:
        """Cost of the coarse maps' samples."""
        fine = [maps.pd, 1.0 / maps.r2, *([1.0 / maps.r1] if len(self.maps) > 2 else [])]
        return huber((apply(self.see, self.mask * torch.stack(fine)) - self.maps) / self.sigma).sum()


@dataclass(frozen=True, kw_only=True)
class EdgePrior:
    """Maps change where the guides do: ``sum w |grad log map|``, smoothed at zero.

    Holds the details that neither guides nor coarse data determine. ``w`` depends on the guides' edges only, never on
    their scale: see :func:`edge_weights`.
    """

    weight: Tensor  # (axis, *grid) between a voxel and the next along the axis
    strength: tuple[float, float, float]  # of log proton density, log R2, log R1

    def __call__(self, maps: Maps) -> Tensor:
        """Cost of the maps' changes."""
        cost = torch.zeros((), device=maps.pd.device)
        for strength, values in zip(self.strength, (maps.pd, maps.r2, maps.r1), strict=True):
            if strength and bool((values > 0).all()):
                log = values.log()
                for axis in range(log.ndim):
                    step = torch.diff(log, dim=axis)
                    inside = self.weight[axis].narrow(axis, 0, step.shape[axis])
                    cost = cost + strength * (inside * (step.square() + SMOOTH**2).sqrt()).sum()
        return cost


SMOOTH = 1e-3  # change of a logarithm below which the edge prior is quadratic


def edge_weights(guides: Sequence[Tensor], beliefs: Sequence[Tensor], mask: Tensor, edge: float = 0.3) -> Tensor:
    """``exp(-|step of g| / edge)`` of the guide that changes most, (axis, *grid); 0 across the mask's border.

    Each guide is divided by its median inside the mask first: a gain changes nothing. Where it is not believed
    (0 to 1, of the less believed voxel of the two) its steps count as much less.
    """
    inside = mask > 0
    weights = torch.zeros((mask.ndim, *mask.shape), device=mask.device)
    for axis in range(mask.ndim):
        n = mask.shape[axis] - 1
        both = mask.narrow(axis, 1, n) * mask.narrow(axis, 0, n)
        steps = torch.zeros_like(both)
        for g, belief in zip(guides, beliefs, strict=True):
            step = torch.diff(g / g[inside].median().clamp(min=1e-12), dim=axis).abs()
            steps = torch.maximum(steps, step * torch.minimum(belief.narrow(axis, 1, n), belief.narrow(axis, 0, n)))
        weights[axis].narrow(axis, 0, n).copy_(both * torch.exp(-steps / edge))
    return weights


def largest_step(image: Tensor, mask: Tensor) -> Tensor:
    """Largest difference of a voxel and those beside it inside the mask, (*grid)."""
    inside = mask.to(image.dtype)
    largest = torch.zeros_like(image)
    for axis in range(image.ndim):
        n = image.shape[axis] - 1
        step = torch.diff(image, dim=axis).abs() * inside.narrow(axis, 1, n) * inside.narrow(axis, 0, n)
        for start in (0, 1):
            part = largest.narrow(axis, start, n)
            part.copy_(torch.maximum(part, step))
    return largest


def huber(z: Tensor, limit: float = HUBER_SIGMAS) -> Tensor:
    """``z^2 / 2`` within ``limit``, linear beyond; element by element."""
    return torch.nn.functional.huber_loss(z, torch.zeros_like(z), reduction="none", delta=limit)
