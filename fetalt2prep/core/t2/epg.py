"""T2 from a fast spin echo with its stimulated echoes: dictionary of extended phase graphs, B1 given or fitted."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from fetalt2prep.core.likelihood import gaussian
from fetalt2prep.core.t2.fit import T2Fit
from fetalt2prep.core.t2.nlls import as_decay, minimise_decay
from fetalt2prep.core.t2.options import T2_RANGE_S
from fetalt2prep.core.t2.scoring import Optimum, decay_objective, information
from fetalt2prep.core.t2.straight_line import checked_range
from fetalt2prep.core.t2.train_dictionary import TrainOptions, TrainTable, train_table
from fetalt2prep.core.t2.voxels import Decay, Voxels, checked_times, fit_voxels
from fetalt2prep.core.t2.weighted_loglinear import noise_factor, weighted_line

MIN_ECHOES_FOR_B1 = 4
B1_NUDGE = 0.01
B1_SEARCH = 3  # every third node of the table


def fit_epg(
    echoes: Tensor,
    te_s: Tensor,
    train: TrainOptions,
    *,
    b1: Tensor | float = 1.0,
    stderr: Tensor | None = None,
    floor: Tensor | float = 0.0,
    t2_range_s: tuple[float, float] = T2_RANGE_S,
) -> T2Fit:
    """Least-squares fit of an echo train's echoes in every voxel, the actual angles known.

    ``b1``: actual over nominal flip angle, a number or a map (*grid); outside ``train.b1_range`` the border's. S0 is
    the signal that the train would begin with. Other parameters and errors as in
    :func:`fetalt2prep.core.t2.nlls.fit_nlls`, and ``ValueError`` for an echo time that is no echo of the train.
    """
    bounds = checked_range(t2_range_s)
    table = train_table(train, checked_times(te_s, echoes), bounds)
    field = torch.as_tensor(b1, dtype=torch.float64, device=echoes.device).expand(echoes.shape[1:]).reshape(-1)

    def estimate(voxels: Voxels) -> Decay:
        here = torch.nan_to_num(field[voxels.place], 1.0)
        return _decay(voxels, table, _minimise(voxels, table, here, bounds), here, bounds, n_parameters=2)

    return fit_voxels(estimate, echoes, te_s, stderr=stderr, floor=floor, lowest=-torch.inf)


def fit_epg_b1(
    echoes: Tensor,
    te_s: Tensor,
    train: TrainOptions,
    *,
    stderr: Tensor | None = None,
    floor: Tensor | float = 0.0,
    t2_range_s: tuple[float, float] = T2_RANGE_S,
) -> T2Fit:
    """As :func:`fit_epg`, with B1 fitted voxel by voxel; four echoes or more.

    Angles above and below 180 degrees act alike, so B1 is sought up to 180 degrees only. The standard errors hold the
    doubt about B1 as well.
    """
    if len(te_s) < MIN_ECHOES_FOR_B1:
        raise ValueError(
            f"{len(te_s)} echoes cannot tell B1 from T2; give a B1 map, or {MIN_ECHOES_FOR_B1} echoes or more."
        )
    bounds = checked_range(t2_range_s)
    table = train_table(train, checked_times(te_s, echoes), bounds)
    highest = max(min(float(table.b1_nodes[-1]), 180.0 / train.refocusing_deg), 1.0)
    nodes = [float(node) for node in table.b1_nodes[::B1_SEARCH] if float(node) < highest - 1e-6] + [highest]

    def estimate(voxels: Voxels) -> Decay:
        def at(b1: Tensor) -> Optimum:
            return _minimise(voxels, table, b1, bounds)

        start = weighted_line(voxels).r2
        losses = torch.stack([at(torch.full_like(start, node)).loss for node in nodes])  # one per node of B1
        here = _lowest(losses, torch.tensor(nodes, dtype=torch.float64, device=losses.device))
        return _decay(voxels, table, at(here), here, bounds, n_parameters=3)

    return fit_voxels(estimate, echoes, te_s, stderr=stderr, floor=floor, lowest=-torch.inf)


def _minimise(voxels: Voxels, table: TrainTable, b1: Tensor, t2_range_s: tuple[float, float]) -> Optimum:
    def log_shape(r2: Tensor, delay_s: Tensor, field: Tensor) -> tuple[Tensor, Tensor]:
        ratio, slope = table.ratio(r2, field)
        return ratio - r2 * delay_s, slope - delay_s

    return minimise_decay(decay_objective(gaussian, log_shape), voxels, weighted_line(voxels), t2_range_s, b1)


def _lowest(losses: Tensor, nodes: Tensor) -> Tensor:
    """Place of the lowest loss between nodes, (node, voxel) -> (voxel,): the parabola through the three lowest."""
    best = losses.argmin(0).clamp(1, len(nodes) - 2)
    left, middle, right = (losses.gather(0, (best + k)[None])[0] for k in (-1, 0, 1))
    x0, x1, x2 = nodes[best - 1], nodes[best], nodes[best + 1]
    first, second = (middle - left) / (x1 - x0), (right - middle) / (x2 - x1)
    curvature = (second - first) / (x2 - x0)
    bottom = (x0 + x1) / 2 - first / (2 * curvature)
    inside = torch.where(curvature > 0, bottom, nodes[losses.argmin(0)])
    return torch.minimum(torch.maximum(torch.nan_to_num(inside, 1.0), x0), x2)


def _decay(
    voxels: Voxels, table: TrainTable, best: Optimum, b1: Tensor, t2_range_s: tuple[float, float], *, n_parameters: int
) -> Decay:
    """An optimum as an answer; with three parameters, B1 is one of them."""
    line = weighted_line(voxels)
    ratio, slope = table.ratio(best.r2, b1)
    predicted = torch.exp(best.level - best.r2 * line.delay_s + ratio)
    noise = noise_factor(voxels, predicted, n_parameters=n_parameters)
    told = information(voxels.weight, predicted, slope - line.delay_s)
    if n_parameters == 3:
        told = told - _taken_by_b1(voxels, table, best, b1, predicted, line.delay_s)
    return replace(as_decay(best, line, told, predicted, noise, t2_range_s), b1=b1)


def _taken_by_b1(
    voxels: Voxels, table: TrainTable, best: Optimum, b1: Tensor, predicted: Tensor, delay_s: Tensor
) -> Tensor:
    """Information about level and r2, (3, voxel), that is lost because B1 is not known either (Schur complement)."""
    up, _ = table.ratio(best.r2, b1 + B1_NUDGE)
    down, _ = table.ratio(best.r2, b1 - B1_NUDGE)
    by_b1 = (up - down) / (2 * B1_NUDGE)
    by_r2 = table.ratio(best.r2, b1)[1] - delay_s
    weight = voxels.weight * predicted.square()
    own = (weight * by_b1.square()).sum(0).clamp(min=1e-30)
    with_level, with_r2 = (weight * by_b1).sum(0), (weight * by_b1 * by_r2).sum(0)
    return torch.stack((with_level.square(), with_level * with_r2, with_r2.square())) / own
