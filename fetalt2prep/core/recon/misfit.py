"""What a model leaves unexplained, echo by echo: the quiet bias of a decay that is none shows here first."""

from __future__ import annotations

import torch
from torch import Tensor

from fetalt2prep.core.field.echo import EchoField, SeparateFields
from fetalt2prep.core.recon.field_fit import Scene
from fetalt2prep.core.recon.penalty import decay_projector
from fetalt2prep.core.recon.slices import Slices

TISSUE = 0.25  # of the median of the first echo: darker points say nothing of a decay


@torch.no_grad()
def echo_misfit(field: EchoField | SeparateFields, scene: Scene, slices: Slices) -> list[dict[str, float]]:
    """For each echo time, ascending, what is left of pixels and of the field.

    ``mean_percent``, ``rms_percent``: measured minus predicted pixels, weighted, over the mean measured pixel of the
    echo; means of half a percent are usual, see docs/engine.md. ``departure_percent``: RMS departure of the field's
    log-signal from its best exact decay, where it is not dark; 0 for ``decay``.
    """
    log_signal = field.on_lattice(scene.lattice.index)
    predicted = scene.predict(log_signal)
    n_echoes = len(slices.te_s)

    def mean(pixels: Tensor) -> Tensor:
        total = pixels.new_zeros(n_echoes).index_add_(0, slices.echo_idx, scene.weight * pixels)
        return total / pixels.new_zeros(n_echoes).index_add_(0, slices.echo_idx, scene.weight).clamp(min=1e-9)

    residual = scene.values - scene.gain * predicted
    level = mean(scene.values).clamp(min=1e-9)
    bright = log_signal[0] > log_signal[0].median() + torch.log(torch.tensor(TISSUE))
    departure = (decay_projector(slices.te_s) @ log_signal[:, bright]).square().mean(1).sqrt()
    columns = {
        "te_s": slices.te_s,
        "mean_percent": 100 * mean(residual) / level,
        "rms_percent": 100 * mean(residual.square()).sqrt() / level,
        "departure_percent": 100 * departure,
    }
    return [{name: round(float(column[echo]), 4) for name, column in columns.items()} for echo in range(n_echoes)]
