"""One intensity gain per slice, with mean 1 within each echo time, so that gains cannot bend the decay."""

from __future__ import annotations

import torch
from torch import Tensor

from fetalt2prep.core.recon.slices import Slices

PRIOR = 0.5  # sum of squares of signal (session scale) that a gain of 1 counts as having been seen
RANGE = (0.5, 2.0)


def slice_gains(slices: Slices, predicted: Tensor, weights: Tensor, slice_weight: Tensor) -> Tensor:
    """Least-squares gain of every slice against its prediction, (slice,).

    predicted, weights: (pixel,), prediction without gain and robust weights. ``slice_weight`` (slice,) keeps voids
    out of the mean over an echo: a dark slice must not brighten the others.
    """
    overlap = slices.sum_per_slice(weights * predicted * slices.values)
    energy = slices.sum_per_slice(weights * predicted.square())
    gains = ((overlap + PRIOR) / (energy + PRIOR)).clamp(*RANGE)
    mass = slices.sum_per_slice(torch.ones_like(predicted)) * slice_weight
    n_echoes = len(slices.te_s)
    total = mass.new_zeros(n_echoes).index_add_(0, slices.echo_of, gains * mass)
    mean = total / mass.new_zeros(n_echoes).index_add_(0, slices.echo_of, mass).clamp(min=1e-12)
    return gains / mean[slices.echo_of].clamp(min=1e-6)
