"""Which field a model and an option ask for."""

from __future__ import annotations

import torch
from torch import Tensor

from fetalt2prep.core.field.echo import EchoField, Encoding, SeparateFields
from fetalt2prep.core.field.grid import GridPyramid
from fetalt2prep.core.field.head import DecayHead, FreeHead
from fetalt2prep.core.field.siren import Siren
from fetalt2prep.core.geometry import Grid
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.core.recon.slices import Slices, typical_decay

GRID_LEVELS, GRID_FEATURES, GRID_HIDDEN = 4, 4, (32, 32)
SIREN_WIDTH, SIREN_DEPTH = 96, 3  # compact; 330 x 7 as published takes half a minute a step on two cores
LEARNING_RATES = {"grid": (0.08, 0.02), "siren": (5e-4, 5e-4)}  # encoding, network


def build_field(options: ReconOptions, slices: Slices, grid: Grid) -> EchoField | SeparateFields:
    """Field with freshly drawn parameters; ``options.seed`` decides them, the global random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        offset = mean_log_signal(slices)
        if options.model == "sc":
            heads = [FreeHead(value[None]) for value in offset]
            field: EchoField | SeparateFields = SeparateFields(
                [EchoField(_encoding(options, grid), _hidden(options), head) for head in heads]
            )
        else:
            head = (
                DecayHead(slices.te_s.cpu(), offset, typical_decay(slices).r2)
                if options.model == "decay"
                else FreeHead(offset)
            )
            field = EchoField(_encoding(options, grid), _hidden(options), head)
    return field.to(options.device)


def mean_log_signal(slices: Slices) -> Tensor:
    """Mean logarithm of the pixels of every echo, (echo,), on the CPU: where the field starts."""
    log_values = slices.values.clamp(min=0.02).log()
    n_echoes = len(slices.te_s)
    total = log_values.new_zeros(n_echoes).index_add_(0, slices.echo_idx, log_values)
    return (total / slices.echo_idx.bincount(minlength=n_echoes)).cpu()


def _encoding(options: ReconOptions, grid: Grid) -> Encoding:
    if options.field == "siren":
        return Siren(grid, SIREN_WIDTH, SIREN_DEPTH)
    return GridPyramid(grid, GRID_LEVELS, GRID_FEATURES)


def _hidden(options: ReconOptions) -> tuple[int, ...]:
    return () if options.field == "siren" else GRID_HIDDEN
