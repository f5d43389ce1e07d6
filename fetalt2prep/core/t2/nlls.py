"""Bounded non-linear least squares for T2."""

from __future__ import annotations

import torch
from torch import Tensor

from fetalt2prep.core.likelihood import gaussian
from fetalt2prep.core.t2.fit import T2Fit
from fetalt2prep.core.t2.options import T2_RANGE_S
from fetalt2prep.core.t2.scoring import Objective, Optimum, Terms, covariance, decay_objective, information, minimise
from fetalt2prep.core.t2.straight_line import StraightLine, checked_range
from fetalt2prep.core.t2.voxels import Decay, Voxels, fit_voxels
from fetalt2prep.core.t2.weighted_loglinear import noise_factor, weighted_line


def fit_nlls(
    echoes: Tensor,
    te_s: Tensor,
    *,
    stderr: Tensor | None = None,
    floor: Tensor | float = 0.0,
    t2_range_s: tuple[float, float] = T2_RANGE_S,
) -> T2Fit:
    """Fit ``S = S0 exp(-TE / T2)`` in every voxel: the maximum of the likelihood for normal noise.

    Started from the weighted log-linear fit and ended within the bounds by damped Newton steps. Weights are the inverse
    squares of ``stderr``; without it all echoes count alike, and the noise is estimated from the residual, which needs
    three echoes or more. Echoes at 0 or below count as well, unless the floor is above 0. Parameters and errors
    otherwise as in :func:`fetalt2prep.core.t2.loglinear.fit_loglinear`.
    """
    bounds = checked_range(t2_range_s)

    def estimate(voxels: Voxels) -> Decay:
        line = weighted_line(voxels)
        best = minimise_exponential(gaussian, voxels, line, bounds)
        noise = noise_factor(voxels, exponential(best, line), n_parameters=2)
        return exponential_decay(best, line, voxels.weight, noise, bounds)

    return fit_voxels(estimate, echoes, te_s, stderr=stderr, floor=floor, lowest=-torch.inf)


def minimise_exponential(terms: Terms, voxels: Voxels, line: StraightLine, t2_range_s: tuple[float, float]) -> Optimum:
    """Best single exponential for a kind of noise, started from a straight line of the logarithm."""

    def log_shape(r2: Tensor, delay_s: Tensor) -> tuple[Tensor, Tensor]:
        return -r2 * delay_s, -delay_s

    return minimise_decay(decay_objective(terms, log_shape), voxels, line, t2_range_s)


def minimise_decay(
    objective: Objective, voxels: Voxels, line: StraightLine, t2_range_s: tuple[float, float], *more: Tensor
) -> Optimum:
    """Best decay of any shape, started from a straight line of the logarithm; ``more`` ends the objective's data."""
    data = (voxels.signal, voxels.weight, line.delay_s, *more)
    return minimise(objective, data, line.level, line.r2, (1.0 / t2_range_s[1], 1.0 / t2_range_s[0]))


def exponential(best: Optimum, line: StraightLine) -> Tensor:
    """Fitted echoes, (echo, voxel)."""
    return torch.exp(best.level - best.r2 * line.delay_s)


def exponential_decay(
    best: Optimum, line: StraightLine, weight: Tensor, noise: Tensor, t2_range_s: tuple[float, float]
) -> Decay:
    """An optimum as an answer; ``weight``: information about each echo; ``noise`` (voxel,) multiplies the variances."""
    predicted = exponential(best, line)
    return as_decay(best, line, information(weight, predicted, -line.delay_s), predicted, noise, t2_range_s)


def as_decay(
    best: Optimum,
    line: StraightLine,
    told: Tensor,
    predicted: Tensor,
    noise: Tensor,
    t2_range_s: tuple[float, float],
) -> Decay:
    """An optimum as an answer; ``told`` (3, voxel): information about level and r2; ``noise`` as above."""
    var_level, var_r2, cov = covariance(told)
    return Decay(
        level=best.level,
        r2=best.r2,
        centre_s=line.centre_s,
        var_level=noise * var_level,
        var_r2=noise * var_r2,
        cov=noise * cov,
        predicted=predicted,
        **_at_bounds(best.r2, line.r2, t2_range_s),
        converged=best.converged,
    )


def _at_bounds(r2: Tensor, line_r2: Tensor, t2_range_s: tuple[float, float]) -> dict[str, Tensor]:
    """Flags of an answer that was stopped by a bound: ``rising`` where the straight line does not fall either."""
    slowest, fastest = 1.0 / t2_range_s[1], 1.0 / t2_range_s[0]
    slow = r2 <= slowest * (1 + 1e-9)
    return {"rising": slow & (line_r2 <= 0), "at_bound": slow | (r2 >= fastest * (1 - 1e-9))}
