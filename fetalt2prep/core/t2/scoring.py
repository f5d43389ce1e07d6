"""Maximum likelihood of a decay by damped Newton steps: two unknowns per voxel, all voxels at once.

The signal is ``exp(level + h(r2))``; h is ``-r2 (TE - centre)`` for one exponential, and a little more for an echo
train. Each step solves two equations by hand, and is taken back where it did not lower the loss (Levenberg and
Marquardt). Where the loss is not convex, the information stands in for its curvature. Voxels leave as soon as they have
settled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

MAX_STEPS = 200
TOLERANCE = 1e-6
FIRST_DAMPING = 1e-4
MAX_DAMPING = 1e10
CONVEX = 1e-3

Objective = Callable[..., tuple[Tensor, Tensor, Tensor]]
"""(level, r2, *data) -> loss (voxel,), gradient (2, voxel), curvature (3, voxel): level, both, r2."""
Terms = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]
"""(signal, measured, weight) -> loss and its two derivatives by the signal; see core.likelihood."""


@dataclass(frozen=True, kw_only=True)
class Optimum:
    """Where the loss is least within the bounds, all (voxel,)."""

    level: Tensor
    r2: Tensor
    loss: Tensor
    converged: Tensor


def decay_objective(terms: Terms, log_shape: Callable[..., tuple[Tensor, Tensor]]) -> Objective:
    """Loss of a decay ``exp(level + h)``; data are (measured, weight, ...), and ``log_shape(r2, *data[2:])`` is h and
    its derivative by r2, (echo, voxel).
    """

    def objective(level: Tensor, r2: Tensor, *data: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        log_h, slope = log_shape(r2, *data[2:])
        signal = log_h.add_(level).exp_()
        loss, score, second = terms(signal, data[0], data[1])
        pull = score * signal
        gradient = torch.stack((pull.sum(0), (pull * slope).sum(0)))
        newton = quadratic(torch.addcmul(score, second, signal) * signal, slope)
        convex = (newton[0] > 0) & (newton[0] * newton[2] > (1 + CONVEX) * newton[1].square())
        if not bool(convex.all()):
            newton = torch.where(convex, newton, quadratic(data[1] * signal * signal, slope))
        return loss.sum(0), gradient, newton

    return objective


def minimise(
    objective: Objective,
    data: Sequence[Tensor],
    level: Tensor,
    r2: Tensor,
    r2_range: tuple[float, float],
) -> Optimum:
    """Lowest loss from a start (voxel,), r2 held within its bounds; ``data`` have the voxel last.

    Converged: the last step changed r2 by less than 1e-6 of itself, and the level by less than 1e-6.
    """
    low, high = r2_range
    level, r2 = level.clone(), r2.clamp(low, high)
    loss, gradient, curvature = objective(level, r2, *data)
    result = Optimum(
        level=level.clone(),
        r2=r2.clone(),
        loss=loss.clone(),
        converged=torch.zeros_like(r2, dtype=torch.bool),
    )
    place = torch.arange(len(r2), device=r2.device)
    damping = torch.full_like(r2, FIRST_DAMPING)
    for _ in range(MAX_STEPS):  # each step needs the one before it
        step_level, step_r2 = _step(gradient, curvature, damping, r2, low, high)
        new = objective(level + step_level, r2 + step_r2, *data)
        better = new[0] <= loss + 1e-12 * loss.abs()
        level = torch.where(better, level + step_level, level)
        r2 = torch.where(better, r2 + step_r2, r2)
        loss = torch.where(better, new[0], loss)
        gradient = torch.where(better, new[1], gradient)
        curvature = torch.where(better, new[2], curvature)
        settled = (step_r2.abs() <= TOLERANCE * r2) & (step_level.abs() <= TOLERANCE)
        done = settled | (damping > MAX_DAMPING)
        if bool(done.any()):
            at = place[done]
            result.level[at], result.r2[at], result.loss[at] = level[done], r2[done], loss[done]
            result.converged[at] = settled[done]
            left = ~done
            place, level, r2, loss, damping = (v[left] for v in (place, level, r2, loss, damping))
            gradient, curvature = gradient[:, left], curvature[:, left]
            better = better[left]
            data = [d[..., left] for d in data]
            if not len(place):
                break
        damping = torch.where(better, (damping / 10).clamp(min=1e-12), (damping * 10).clamp(min=FIRST_DAMPING))
    result.level[place], result.r2[place], result.loss[place] = level, r2, loss
    return result


def _step(
    gradient: Tensor, curvature: Tensor, damping: Tensor, r2: Tensor, low: float, high: float
) -> tuple[Tensor, Tensor]:
    """The damped step, cut at the bounds of r2; the level then follows the r2 that is left."""
    h_level, h_both, h_r2 = curvature[0] * (1 + damping), curvature[1], curvature[2] * (1 + damping)
    determinant = h_level * h_r2 - h_both.square()
    step_r2 = (h_both * gradient[0] - h_level * gradient[1]) / determinant
    step_r2 = (r2 + torch.nan_to_num(step_r2, 0.0, 0.0, 0.0)).clamp(low, high) - r2
    step_level = -(gradient[0] + h_both * step_r2) / h_level
    return torch.nan_to_num(step_level, 0.0, 0.0, 0.0).clamp(-1.0, 1.0), step_r2


def information(weight: Tensor, signal: Tensor, slope: Tensor) -> Tensor:
    """Fisher's information about level and r2, (3, voxel): level, both, r2; ``weight``: about each echo's signal."""
    return quadratic(weight * signal * signal, slope)


def quadratic(each: Tensor, slope: Tensor) -> Tensor:
    """Sums over the echoes, (3, voxel), of ``each`` (echo, voxel), times the slope, times its square."""
    by_r2 = each * slope
    return torch.stack((each.sum(0), by_r2.sum(0), (by_r2 * slope).sum(0)))


def covariance(information: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Inverse of the information (3, voxel): variance of level, of r2, and their covariance; infinite where flat."""
    level, both, r2 = information
    determinant = level * r2 - both.square()
    inverse = torch.where(determinant > 1e-14 * level * r2, 1.0 / determinant, torch.inf)
    return r2 * inverse, level * inverse, -both * inverse
