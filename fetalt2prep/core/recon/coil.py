"""Receive coils: one smooth factor that stays in the scanner while the head moves, the same at all echo times."""

from __future__ import annotations

import torch
from torch import Tensor

from fetalt2prep.core.recon.slices import Slices
from fetalt2prep.core.recon.smooth_field import SmoothField

LONGEST_STEP = 0.5  # of the logarithm of the factor in one update
LEAST_WEIGHT = 1e-9


def coil_factor(slices: Slices, present: Tensor, predicted: Tensor, weight: Tensor) -> Tensor:
    """The factor of every pixel after one Gauss-Newton step of its logarithm, (pixel,).

    present: the factor until now (pixel,); predicted: what the fit expects with gains and without the factor (pixel,);
    weight: of pixels (pixel,). The logarithm is a cubic polynomial of a pixel's place in the scanner, before motion
    correction, whose weighted mean is 0: gains and the field keep the level, and no echo time can be told from another.
    """
    now = present * predicted
    step = ((slices.values - now) / now.clamp(min=1e-3)).clamp(-LONGEST_STEP, LONGEST_STEP)
    trust = (weight * now.square()).clamp(min=LEAST_WEIGHT)
    log_factor = SmoothField.fitted(slices.points_mm, present.log() + step, trust).at(slices.points_mm)
    return torch.exp(log_factor - (log_factor * weight).sum() / weight.sum().clamp(min=LEAST_WEIGHT))
