"""Robust weights of pixels and slices."""

from __future__ import annotations

import torch
from torch import Tensor

from fetalt2prep.core.spread import MAD_TO_SIGMA


def robust_sigma(residual: Tensor, least: float = 1e-6) -> float:
    """Standard deviation of the bulk of the residuals, 1.4826 times the median absolute value."""
    return max(float(MAD_TO_SIGMA * residual.abs().median()), least)


def cauchy_weights(residual: Tensor, sigma: float, tuning: float = 2.0) -> Tensor:
    """Weight ``1 / (1 + (r / (tuning * sigma))^2)`` of every pixel: 1 for a perfect pixel, never exactly 0."""
    return 1.0 / (1.0 + (residual / (tuning * sigma)).square())


def slice_weights(residual_rms: Tensor, echo_of: Tensor, floor: float = 0.002, tuning: float = 4.0) -> Tensor:
    """One-sided Welsch weight of every slice against the slices of the same echo, (slice,).

    ``exp(-(z / tuning)^2 / 2)`` with z the excess of the slice's residual over the median in units of the echo's
    robust spread, which never counts as less than ``floor`` of the signal scale or a quarter of the median: in a quiet
    session nothing is an outlier. When more than half of an echo's slices would fall below 0.1 the weights of that
    echo stay 1: then the model is wrong, not the slices.
    """
    weights = torch.ones_like(residual_rms)
    for echo in echo_of.unique().tolist():  # a handful of echoes
        mine = (echo_of == echo) & (residual_rms > 0)
        if not bool(mine.any()):
            continue
        values = residual_rms[mine]
        median = values.median()
        spread = (MAD_TO_SIGMA * (values - median).abs().median()).clamp(min=max(floor, 0.25 * float(median)))
        weight = torch.exp(-0.5 * (((values - median) / spread).clamp(min=0) / tuning).square())
        if float((weight < 0.1).float().mean()) <= 0.5:
            weights[mine] = weight
    return weights
