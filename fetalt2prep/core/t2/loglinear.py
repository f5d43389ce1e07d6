"""Log-linear least squares for T2, every echo alike: the estimator of the paper."""

from __future__ import annotations

import torch
from torch import Tensor

from fetalt2prep.core.t2.fit import T2Fit
from fetalt2prep.core.t2.options import T2_RANGE_S
from fetalt2prep.core.t2.straight_line import checked_range, line_decay, straight_line
from fetalt2prep.core.t2.voxels import Decay, Voxels, fit_voxels


def fit_loglinear(
    echoes: Tensor,
    te_s: Tensor,
    *,
    stderr: Tensor | None = None,
    floor: Tensor | float = 0.0,
    t2_range_s: tuple[float, float] = T2_RANGE_S,
) -> T2Fit:
    """Fit ``log S = log S0 - TE / T2`` in every voxel, ``(D'D)^-1 D' log S`` (arXiv:2508.10680).

    Parameters
    ----------
    echoes
        Signal, (echo, *grid), any common scale; an echo that is not finite or not positive is left out.
    te_s
        Echo times, (echo,), seconds, in any order, at least two distinct.
    stderr
        Standard error of each echo, like ``echoes``: it gives the standard errors, and does not move T2. Without it
        the noise is taken to be the same in all echoes and is estimated from the fit's residual, which needs three
        echoes or more.
    floor
        Echoes at or below it are left out of the fit, voxel by voxel.
    t2_range_s
        A T2 at or beyond these bounds is no answer: NaN, and ``AT_BOUND`` as the reason.

    Raises
    ------
    ValueError
        Fewer than two distinct echo times (T2 cannot be known), or bounds that are no interval.

    Notes
    -----
    Plain least squares takes the logarithm of a weak echo as seriously as that of a strong one, though its noise is
    larger in the proportion of the signals. The standard errors allow for that (sandwich form).
    """
    bounds = checked_range(t2_range_s)

    def estimate(voxels: Voxels) -> Decay:
        weight = voxels.used.to(torch.float64)
        line = straight_line(voxels, weight)
        predicted_log = line.level - line.r2 * line.delay_s
        log_variance = torch.where(voxels.used, voxels.variance * torch.exp(-2 * predicted_log), 0.0)
        noise = 1.0 if voxels.noise_known else _noise_variance(voxels, predicted_log, log_variance)
        slope = line.delay_s / line.spread
        return line_decay(
            voxels,
            line,
            (
                noise * log_variance.sum(0) / line.sum_w.square(),
                noise * (slope.square() * log_variance).sum(0),
                -noise * (slope * log_variance).sum(0) / line.sum_w,
            ),
            bounds,
        )

    return fit_voxels(estimate, echoes, te_s, stderr=stderr, floor=floor)


def _noise_variance(voxels: Voxels, predicted_log: Tensor, log_variance: Tensor) -> Tensor:
    """Variance of the echoes from the residuals of their logarithms, (voxel,); NaN without a degree of freedom.

    The residuals' expected sum of squares is the trace of the residual maker times the variances of the logarithms.
    """
    residual = torch.where(voxels.used, torch.log(torch.where(voxels.used, voxels.signal, 1.0)) - predicted_log, 0.0)
    n_used = voxels.used.sum(0)
    centre = torch.where(voxels.used, voxels.te_s, 0.0).sum(0) / n_used
    delay = torch.where(voxels.used, voxels.te_s - centre, 0.0)
    leverage = 1.0 / n_used + delay.square() / delay.square().sum(0)
    expected = ((1.0 - leverage) * log_variance).sum(0)
    return torch.where(n_used > 2, residual.square().sum(0) / expected, torch.nan)
