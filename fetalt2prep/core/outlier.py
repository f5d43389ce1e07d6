"""Robust weights of pixels and slices."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fetalt2prep.core.spread import MAD_TO_SIGMA

LOST, MOST_LOST = 0.1, 0.35  # weight below which a slice is lost; largest share of an echo's slices that may be


def robust_sigma(residual: Tensor, least: float = 1e-6) -> float:
    """Standard deviation of the bulk of the residuals (*,), 1.4826 times the median absolute value; in their unit."""
    return max(float(MAD_TO_SIGMA * residual.abs().median()), least)


def cauchy_weights(residual: Tensor, sigma: float, tuning: float = 2.0) -> Tensor:
    """Weight ``1 / (1 + (r / (tuning * sigma))^2)`` of every pixel: 1 for a perfect pixel, never exactly 0."""
    return 1.0 / (1.0 + (residual / (tuning * sigma)).square())


def slice_weights(residual_rms: Tensor, echo_of: Tensor, floor: float = 0.002, tuning: float = 4.0) -> Tensor:
    """One-sided Welsch weight of every slice against the slices of the same echo, (slice,).

    ``exp(-(z / tuning)^2 / 2)`` with z the excess of the slice's residual over the median in units of the echo's
    robust spread, which never counts as less than ``floor`` of the signal scale or a quarter of the median: in a quiet
    session nothing is an outlier. Weights come from residuals alone and not from earlier weights, so that a slice can
    come back. When more than ``MOST_LOST`` of an echo's slices would fall below ``LOST``, the spread widens until they
    do not: then the model is wrong, not the slices, and a session must not lose one slice after the other to it.
    """
    weights, lost_at = torch.ones_like(residual_rms), math.sqrt(-2 * math.log(LOST))
    for echo in echo_of.unique().tolist():  # a handful of echoes
        mine = (echo_of == echo) & (residual_rms > 0)
        if not bool(mine.any()):
            continue
        values = residual_rms[mine]
        median = values.median()
        spread = (MAD_TO_SIGMA * (values - median).abs().median()).clamp(min=max(floor, 0.25 * float(median)))
        excess = ((values - median) / spread).clamp(min=0) / tuning
        most = math.floor(MOST_LOST * len(excess))
        kept = excess.sort(descending=True).values[most]  # the worst slice that has to keep weight
        weights[mine] = torch.exp(-0.5 * (excess * (lost_at / kept.clamp(min=lost_at))).square())
    return weights
