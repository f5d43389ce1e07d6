"""Which field a model and an option ask for."""

from __future__ import annotations

import torch
from torch import Tensor

from fetalt2prep.core.field.build import FieldSpec, make_field
from fetalt2prep.core.field.echo import EchoField, SeparateFields
from fetalt2prep.core.geometry import Grid
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.core.recon.schedule import levels
from fetalt2prep.core.recon.slices import Slices, typical_decay

LEARNING_RATES = {  # encoding, network
    "grid": (0.08, 0.02),
    "hash": (0.08, 0.02),
    "siren": (2e-4, 2e-4),
    "siren-compact": (5e-4, 5e-4),
}
DIRECT_RATE = 0.05  # of a grid without a network, in log-signal


def field_spec(options: ReconOptions, slices: Slices, grid: Grid) -> FieldSpec:
    """What the options and the session's pixels ask for."""
    return FieldSpec(
        model=options.model,
        kind=options.field,
        te_s=tuple(slices.te_s.tolist()),
        mean_log_signal=tuple(mean_log_signal(slices).tolist()),
        start_r2=typical_decay(slices).r2,
        grid=grid,
        spacings_mm=(levels(options.resolution_mm)[0].spacing_mm, options.resolution_mm),
    )


def build_field(options: ReconOptions, slices: Slices, grid: Grid) -> EchoField | SeparateFields:
    """Field with freshly drawn parameters; ``options.seed`` decides them, the global random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        field = make_field(field_spec(options, slices, grid))
    return field.to(options.device)


def learning_rates(options: ReconOptions, field: EchoField | SeparateFields) -> tuple[float, float]:
    """Of the encoding and of the network."""
    if isinstance(field, EchoField) and field.direct:
        return DIRECT_RATE, 0.0
    return LEARNING_RATES[options.field]


def mean_log_signal(slices: Slices) -> Tensor:
    """Mean logarithm of the pixels of every echo, (echo,), on the CPU: where the field starts."""
    log_values = slices.values.clamp(min=0.02).log()
    n_echoes = len(slices.te_s)
    total = log_values.new_zeros(n_echoes).index_add_(0, slices.echo_idx, log_values)
    return (total / slices.echo_idx.bincount(minlength=n_echoes)).cpu()
