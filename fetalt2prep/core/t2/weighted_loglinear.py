"""Log-linear least squares for T2, weighted by the signal."""

from __future__ import annotations

import torch
from torch import Tensor

from fetalt2prep.core.t2.fit import T2Fit
from fetalt2prep.core.t2.options import T2_RANGE_S
from fetalt2prep.core.t2.straight_line import StraightLine, checked_range, line_decay, straight_line
from fetalt2prep.core.t2.voxels import Decay, Voxels, fit_voxels


def fit_weighted_loglinear(
    echoes: Tensor,
    te_s: Tensor,
    *,
    stderr: Tensor | None = None,
    floor: Tensor | float = 0.0,
    t2_range_s: tuple[float, float] = T2_RANGE_S,
) -> T2Fit:
    """Fit ``log S = log S0 - TE / T2`` in every voxel, each echo with the inverse variance of its logarithm.

    The variance of log S is (stderr / S)^2, and so the weights are (S / stderr)^2; without ``stderr`` they are S^2,
    and the noise is estimated from the fit's residual, which needs three echoes or more. Parameters and errors
    otherwise as in :func:`fetalt2prep.core.t2.loglinear.fit_loglinear`.
    """
    bounds = checked_range(t2_range_s)

    def estimate(voxels: Voxels) -> Decay:
        line = weighted_line(voxels)
        noise = noise_factor(voxels, torch.exp(line.level - line.r2 * line.delay_s), n_parameters=2)
        return line_decay(voxels, line, (noise / line.sum_w, noise / line.spread, torch.zeros_like(line.r2)), bounds)

    return fit_voxels(estimate, echoes, te_s, stderr=stderr, floor=floor)


def weighted_line(voxels: Voxels) -> StraightLine:
    """The straight line with weights ``S^2 / variance``: also where iterative estimators start."""
    return straight_line(voxels, voxels.signal.clamp(min=0).square() * voxels.weight)


def noise_factor(voxels: Voxels, predicted: Tensor, *, n_parameters: int) -> Tensor:
    """What the variances of a fit are multiplied by, (voxel,): 1 where the noise is known.

    Else the variance of the echoes from the residual, its sum of squares over the degrees of freedom; NaN without one.
    ``predicted``: fitted echoes, (echo, voxel).
    """
    if voxels.noise_known:
        return torch.ones_like(predicted[0])
    residual = torch.where(voxels.used, voxels.signal - predicted, 0.0)
    dof = voxels.used.sum(0) - n_parameters
    return torch.where(dof > 0, residual.square().sum(0) / dof.clamp(min=1), torch.nan)
