"""A field from a description of it: which encoding and head, at which size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from fetalt2prep.core.field.echo import EchoField, Encoding, SeparateFields
from fetalt2prep.core.field.grid import GridPyramid
from fetalt2prep.core.field.head import DecayHead, FreeHead
from fetalt2prep.core.field.siren import Siren
from fetalt2prep.core.geometry import Grid

GRID_LEVELS, GRID_FEATURES, GRID_HIDDEN = 4, 4, (32, 32)
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


ENCODINGS: dict[str, tuple[Callable[[Grid], Encoding], tuple[int, ...]]] = {
    "grid": (lambda grid: GridPyramid(grid, GRID_LEVELS, GRID_FEATURES), GRID_HIDDEN),
    "siren": (lambda grid: Siren(grid, SIREN_WIDTH, SIREN_DEPTH), ()),
}
"""Encoding and the hidden layers of the network on top of it, by the name of the field."""


def make_field(spec: FieldSpec) -> EchoField | SeparateFields:
    """Field on the CPU with parameters drawn from torch's global random state."""
    encoding, hidden = ENCODINGS[spec.kind]
    heads = _heads(spec)
    fields = [EchoField(encoding(spec.grid), hidden, head) for head in heads]
    return fields[0] if len(fields) == 1 and spec.model != "sc" else SeparateFields(fields)


def _heads(spec: FieldSpec) -> list[DecayHead | FreeHead]:
    """One head for all echoes, or one for each."""
    offset = torch.tensor(spec.mean_log_signal)
    if spec.model == "sc":
        return [FreeHead(value[None]) for value in offset]
    if spec.model == "decay":
        return [DecayHead(torch.tensor(spec.te_s), offset, spec.start_r2)]
    return [FreeHead(offset)]


def state_of(field: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers on the CPU, whatever device the field is on."""
    return {name: value.detach().cpu().contiguous() for name, value in field.state_dict().items()}
