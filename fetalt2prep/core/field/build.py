"""A field from a description of it: which encoding and head, at which size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from fetalt2prep.core.field.echo import EchoField, Encoding, SeparateFields
from fetalt2prep.core.field.grid import GridPyramid
from fetalt2prep.core.field.hash_grid import HashGrid
from fetalt2prep.core.field.head import BridgeHead, DecayHead, FreeHead
from fetalt2prep.core.field.siren import Siren
from fetalt2prep.core.geometry import Grid
from fetalt2prep.core.recon.penalty import decay_projector

GRID_LEVELS, GRID_FEATURES, GRID_HIDDEN = 4, 4, (32, 32)
HASH_HIDDEN, HASH_DOUBLINGS = (32, 32), 3  # its first level is so many doublings coarser than the first lattice
SIREN_WIDTH, SIREN_DEPTH = 96, 3  # compact; 330 x 7 as published takes half a minute a step on two cores


@dataclass(frozen=True, kw_only=True)
class FieldSpec:
    """All that decides a field, but for its parameters."""

    model: str
    """One of :data:`fetalt2prep.core.recon.options.MODELS`."""
    kind: str
    """One of :data:`fetalt2prep.core.recon.options.FIELDS`."""
    te_s: tuple[float, ...]
    """(echo,) ascending."""
    mean_log_signal: tuple[float, ...]
    """(echo,), session scale: what a network output of 0 stands for."""
    start_r2: float
    """R2 where the network gives 0, 1/s; models with exact decay."""
    grid: Grid
    """Lattice of the encoding."""
    spacings_mm: tuple[float, float]
    """Of the first lattice of the fit, and of its last."""


AnyHead = DecayHead | BridgeHead | FreeHead
Layers = tuple[Encoding, tuple[int, ...] | None]
"""An encoding and the hidden layers of the network on top of it; None: no network."""


def _grid(spec: FieldSpec, head: AnyHead) -> Layers:
    """Exact decay is read from the grid itself: a problem with one solution, whatever the seed.

    So is the bridge, which the penalty ties to it. Free echoes share features through a network, without which nothing
    but their edges would tie them.
    """
    if isinstance(head, FreeHead):
        return GridPyramid(spec.grid, GRID_LEVELS, GRID_FEATURES), GRID_HIDDEN
    return GridPyramid(spec.grid, GRID_LEVELS, head.n_outputs, start_spread=0.0), None


def _hash(spec: FieldSpec, _: AnyHead) -> Layers:
    return HashGrid(spec.grid, spec.spacings_mm[0] * 2**HASH_DOUBLINGS, spec.spacings_mm[1]), HASH_HIDDEN


ENCODINGS: dict[str, Callable[[FieldSpec, AnyHead], Layers]] = {
    "grid": _grid,
    "hash": _hash,
    "siren": lambda spec, _: (Siren(spec.grid), ()),
    "siren-compact": lambda spec, _: (Siren(spec.grid, SIREN_WIDTH, SIREN_DEPTH), ()),
}
"""What is built for the name of a field."""


def make_field(spec: FieldSpec) -> EchoField | SeparateFields:
    """Field on the CPU with parameters drawn from torch's global random state."""
    fields = [EchoField(*ENCODINGS[spec.kind](spec, head), head) for head in _heads(spec)]
    return fields[0] if len(fields) == 1 and spec.model != "sc" else SeparateFields(fields)


def _heads(spec: FieldSpec) -> list[AnyHead]:
    """One head for all echoes, or one for each."""
    offset = torch.tensor(spec.mean_log_signal)
    if spec.model == "sc":
        return [FreeHead(value[None]) for value in offset]
    if spec.model == "decay":
        return [DecayHead(torch.tensor(spec.te_s), offset, spec.start_r2)]
    if spec.model == "bridge":
        te_s = torch.tensor(spec.te_s)
        return [BridgeHead(te_s, offset, spec.start_r2, decay_projector(te_s))]
    return [FreeHead(offset)]


def state_of(field: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers on the CPU, whatever device the field is on."""
    return {name: value.detach().cpu().contiguous() for name, value in field.state_dict().items()}
