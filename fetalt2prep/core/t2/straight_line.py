"""The logarithm of the signal as a straight line in echo time: the closed form under every estimator."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fetalt2prep.core.t2.voxels import Decay, Voxels


@dataclass(frozen=True, kw_only=True)
class StraightLine:
    """``log S = level - r2 (TE - centre)`` by weighted least squares, all (voxel,)."""

    level: Tensor
    r2: Tensor
    centre_s: Tensor
    """Weighted mean of the echo times: there level and r2 are uncorrelated."""
    sum_w: Tensor
    spread: Tensor
    """Weighted sum of squares of the echo times about their centre."""
    delay_s: Tensor
    """(echo, voxel) echo times from the centre."""


def straight_line(voxels: Voxels, weight: Tensor) -> StraightLine:
    """Fit the logarithms of the positive echoes with ``weight`` (echo, voxel), which is 0 for the others."""
    log_signal = torch.log(torch.where(voxels.signal > 0, voxels.signal, 1.0))
    sum_w = weight.sum(0)
    centre = (weight * voxels.te_s).sum(0) / sum_w
    level = (weight * log_signal).sum(0) / sum_w
    delay = voxels.te_s - centre
    spread = (weight * delay.square()).sum(0)
    r2 = -(weight * delay * (log_signal - level)).sum(0) / spread
    return StraightLine(level=level, r2=r2, centre_s=centre, sum_w=sum_w, spread=spread, delay_s=delay)


def line_decay(
    voxels: Voxels,
    line: StraightLine,
    variances: tuple[Tensor, Tensor, Tensor],
    t2_range_s: tuple[float, float],
) -> Decay:
    """A fitted line as an answer; ``variances`` of level and r2, and their covariance."""
    var_level, var_r2, cov = variances
    outside = (line.r2 * t2_range_s[0] > 1.0) | (line.r2 * t2_range_s[1] < 1.0)
    return Decay(
        level=line.level,
        r2=line.r2,
        centre_s=line.centre_s,
        var_level=var_level,
        var_r2=var_r2,
        cov=cov,
        predicted=torch.exp(line.level - line.r2 * line.delay_s),
        rising=line.r2 <= 0,
        at_bound=outside,
        converged=torch.isfinite(line.r2),
    )


def checked_range(t2_range_s: tuple[float, float]) -> tuple[float, float]:
    """The bounds of T2, refused when they are no interval of positive seconds."""
    low, high = t2_range_s
    if not 0 < low < high < float("inf"):
        raise ValueError(f"bounds of T2 are {low:g} and {high:g} s; give a positive lower one and a larger upper one.")
    return low, high
