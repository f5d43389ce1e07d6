"""A convolutional network that refines maps in one pass: what it is shown, and the network.

It is shown what the equations say: coarse maps on the fine grid, and of each guide the logarithm of what it shows over
what those maps would show in its sequence, with how that would change with R1 and with R2. So sequences and their
parameters may differ from guide to guide, and a guide that is missing is a zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from fetalt2prep.core.guided.unknowns import Maps
from fetalt2prep.core.signal import SignalModel

SLOTS = ("t1", "t2")
"""Kinds of guide, each with channels of its own: contrast mostly by T1, or by T2."""
PER_GUIDE = 4
N_INPUTS = 5 + PER_GUIDE * len(SLOTS)
TYPICAL = (0.8, 1.0, 10.0)  # proton density, R1 and R2 (1/s) where the logarithms shown are zero
LARGEST = 1.5  # of a logarithm of a ratio that is shown
DIM = 0.05  # of a guide's median: added to both sides of a ratio
CLAMP = 3.0  # largest change of a logarithm that the network can make


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A guide on one scale with the maps."""

    image: Tensor  # (*grid)
    model: SignalModel


class ResBlock(nn.Module):
    """``x + a conv(relu(conv(x)))``; ``a`` is learnt and begins small (no normalisation: values mean something)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv3d(width, width, 3, padding=1)
        self.second = nn.Conv3d(width, width, 3, padding=1)
        self.share = nn.Parameter(torch.tensor(0.2))

    def forward(self, x: Tensor) -> Tensor:
        """(n, width, x, y, z) -> the same."""
        inner = self.second(functional.relu(self.first(x), inplace=True))
        return torch.addcmul(x, self.share, inner)  # no copies: they cost system time on large grids


class GuidedNet(nn.Module):
    """Head, residual blocks, tail: change of the logarithms of proton density, R1 and R2.

    The tail begins at zero: an untrained network gives back the maps it is shown. 3 x 3 x 3 convolutions see
    ``2 blocks + 2`` voxels to each side.
    """

    def __init__(self, width: int = 24, n_blocks: int = 4) -> None:
        super().__init__()
        self.width, self.n_blocks = width, n_blocks
        self.head = nn.Conv3d(N_INPUTS, width, 3, padding=1)
        self.blocks = nn.Sequential(*(ResBlock(width) for _ in range(n_blocks)))
        self.tail = nn.Conv3d(width, 3, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        assert self.tail.bias is not None
        nn.init.zeros_(self.tail.bias)

    def forward(self, base: Maps, channels: Tensor) -> Maps:
        """Maps (*grid) and what :func:`inputs_of` made of them (N_INPUTS, *grid) -> maps, positive."""
        x = functional.relu(self.head(channels[None]), inplace=True)
        change = CLAMP * torch.tanh(self.tail(self.blocks(x))[0] / CLAMP)
        return Maps(*(part * torch.exp(step) for part, step in zip((base.pd, base.r1, base.r2), change, strict=True)))


def blind_maps(mask: Tensor, typical_pd: float) -> Maps:
    """The same typical values everywhere, for a network that is not shown the coarse maps."""
    _, r1, r2 = TYPICAL
    return Maps(*(torch.full(mask.shape, value, device=mask.device) for value in (typical_pd, r1, r2)))


def inputs_of(base: Maps, guides: Mapping[str, Shown], mask: Tensor, typical_pd: float, factor: float) -> Tensor:
    """What the network is shown, (N_INPUTS, *grid); zero outside the mask.

    ``guides``: by the slot of :data:`SLOTS`; ``factor``: fine voxels per coarse one, along an axis.
    """
    inside = mask.to(base.pd.dtype)
    at = (typical_pd, *TYPICAL[1:])
    rows = [
        (part / zero).log().clamp(-CLAMP, CLAMP) for part, zero in zip((base.pd, base.r1, base.r2), at, strict=True)
    ]
    rows += [torch.ones_like(inside), torch.full_like(inside, factor / 4.0)]
    for slot in SLOTS:
        guide = guides.get(slot)
        rows += [torch.zeros_like(inside)] * PER_GUIDE if guide is None else _guide_rows(base, guide, mask)
    return torch.stack(rows) * inside


def _guide_rows(base: Maps, guide: Shown, mask: Tensor) -> Sequence[Tensor]:
    """Logarithm of shown over expected, and of shown over its median; change of the former with log R1 and log R2."""
    level = guide.image[mask].median().clamp(min=1e-6)
    dim = DIM * level
    r1, r2 = base.r1.detach().requires_grad_(), base.r2.detach().requires_grad_()
    with torch.enable_grad():
        expected = (guide.model(base.pd.detach(), r1, r2).abs() + dim).log()
        by_r1, by_r2 = torch.autograd.grad(expected.sum(), (r1, r2), materialize_grads=True)
    shown = (guide.image.clamp(min=0) + dim).log()
    ratio = (shown - expected.detach()).clamp(-LARGEST, LARGEST)
    return [ratio, (shown - level.log()).clamp(-LARGEST, LARGEST), by_r1 * r1.detach(), by_r2 * r2.detach()]


def slot_of(model: SignalModel, typical: tuple[float, float, float] = TYPICAL) -> str:
    """``t1`` or ``t2``: which time changes the sequence's signal of typical tissue more."""
    pd, r1, r2 = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in typical)
    with torch.enable_grad():
        by_r1, by_r2 = torch.autograd.grad(model(pd, r1, r2), (r1, r2), materialize_grads=True)
    return "t1" if float((by_r1 * r1).abs().detach()) > float((by_r2 * r2).abs().detach()) else "t2"
