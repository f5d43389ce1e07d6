"""Receive coils: one smooth factor that stays in the scanner while the head moves, the same at all echo times.

The volumes can take up what of the factor moves with the head. Asked in turns, both creep towards each other and stop
half way; so the volumes' answer is eliminated first (Frisch and Waugh 1933, doi:10.2307/1907330): of every monomial of
the factor only what no volume can follow, because the head was elsewhere in another slice, is compared with the
residual.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fetalt2prep.core.geometry import Grid, Rigid
from fetalt2prep.core.recon.slices import Slices
from fetalt2prep.core.recon.smooth_field import POWERS, SmoothField
from fetalt2prep.core.slice_op import blur

LONGEST_STEP = 0.5  # of the logarithm of the factor in one update
LEAST_WEIGHT = 1e-9
SPACING_MM, TOUCH_VOXELS = 5.0, 0.8  # of the grid on which the volumes answer; thick slices touch on it
RIDGE_SLICES = 0.3  # slices that a slope counts as: pixels of a slice err alike, by a tenth; the factor is about 15 %
STIFFER = 2.0  # times that for each further degree: coils are smooth
MOST_CELLS = 30  # along the longest side of the head: memory grows with their cube
MOST_PIXELS = 15_000  # twenty coefficients need no more


def coil_factor(
    slices: Slices, poses: Rigid, present: Tensor, predicted: Tensor, weight: Tensor, follows: Tensor
) -> Tensor:
    """The factor of every pixel after one Gauss-Newton step of its logarithm, (pixel,).

    present: the factor until now (pixel,); predicted: what the fit expects without gains and factor (pixel,);
    weight: of pixels (pixel,); follows: see :func:`echo_trends`, (echo, p). The logarithm is
    a cubic polynomial of a pixel's place in the scanner, before motion correction, whose weighted mean is 0: gains and
    the field keep the level, and no echo time can be told from another.
    """
    now = present * predicted
    trust = (weight * now.square()).clamp(min=LEAST_WEIGHT)
    step = ((slices.values - now) / now.clamp(min=1e-3)).clamp(-LONGEST_STEP, LONGEST_STEP)
    field = SmoothField.around(slices.points_mm, trust)
    some = slice(None, None, max(1, len(now) // MOST_PIXELS))
    terms = field.terms(slices.points_mm)[:, 1:]
    head_mm = poses.move(slices.points_mm[some], slices.slice_idx[some])
    columns = torch.cat((terms[some], step[some, None]), 1)
    left = unfollowed(columns, head_mm, trust[some], follows[slices.echo_idx[some]])
    alone, rest = left[:, :-1], left[:, -1:]
    share = (trust[some] / trust[some].sum()).double()[:, None]
    normal = alone.T @ (share * alone)
    pull = alone.T @ (share * rest) + normal @ _coefficients(terms[some], _centred(present.log()[some], trust[some]))
    n_slices = max(1, len(slices.slice_idx.unique()))
    ridge = torch.tensor([RIDGE_SLICES / n_slices * STIFFER ** (sum(power) - 1) for power in POWERS[1:]]).to(normal)
    log_factor = (terms.double() @ torch.linalg.solve(normal + torch.diag(ridge), pull))[:, 0].float()
    return torch.exp(_centred(log_factor, weight))


def unfollowed(columns: Tensor, head_mm: Tensor, trust: Tensor, follows: Tensor) -> Tensor:
    """Columns (pixel, k) less what volumes in the head can take up of them, float64.

    head_mm: where in the head the pixels are, (pixel, 3); trust: their weights, (pixel,); follows: what a voxel's
    logarithm can do at each pixel's echo time, (pixel, p). At every point of a coarse grid a weighted
    least-squares fit of a trend in place of every such function: a brain ends somewhere, and means there lean inwards.
    """
    spacing_mm = max(SPACING_MM, float((head_mm.max(0).values - head_mm.min(0).values).max()) / MOST_CELLS)
    grid = Grid.around(head_mm, spacing_mm, 2 * spacing_mm)
    cell = grid.index_of(head_mm).round().long()
    flat = (cell[:, 0] * grid.shape[1] + cell[:, 1]) * grid.shape[2] + cell[:, 2]
    place = torch.cat((torch.ones_like(head_mm[:, :1]), (head_mm - head_mm.mean(0)) / spacing_mm), 1)
    follows = (follows[:, :, None] * place[:, None]).flatten(1).double()
    columns, trust = columns.double(), (trust / trust.mean()).double()
    n_follow, n_columns = follows.shape[1], columns.shape[1]
    moments = torch.cat((follows[:, :, None] * follows[:, None], follows[:, :, None] * columns[:, None]), 2)
    laid = moments.new_zeros(grid.n_points, n_follow * (n_follow + n_columns))
    laid.index_add_(0, flat, trust[:, None] * moments.flatten(1))
    laid = blur(laid.T.reshape(-1, *grid.shape), TOUCH_VOXELS)
    seen, at = flat.unique(return_inverse=True)
    laid = laid.reshape(n_follow, n_follow + n_columns, -1).permute(2, 0, 1)[seen]
    normal, right = laid[:, :, :n_follow], laid[:, :, n_follow:]
    damping = 1e-6 * normal[:, 0, 0].mean()
    answer = torch.linalg.solve(normal + damping * torch.eye(n_follow).to(normal), right)  # (cell, p, k)
    return columns - (follows[:, :, None] * answer[at]).sum(1)


def echo_trends(te_s: Tensor, *, decay: bool) -> Tensor:
    """What a voxel's log-signal can do over echo times, (echo, p): any decay, or any echo by itself."""
    if not decay:
        return torch.eye(len(te_s)).to(te_s)
    delay = te_s - te_s.mean()
    return torch.stack((torch.ones_like(te_s), delay / delay.square().mean().sqrt()), 1)


def _coefficients(terms: Tensor, values: Tensor) -> Tensor:
    """Of terms (n, k) that give values (n,), (k, 1), float64; as small as can be where terms are alike."""
    terms = terms.double()
    normal = terms.T @ terms
    damping = 1e-9 * normal.diagonal().mean() * torch.eye(len(normal)).to(normal)
    return torch.linalg.solve(normal + damping, terms.T @ values.double()[:, None])


def _centred(values: Tensor, weights: Tensor) -> Tensor:
    return values - (values * weights).sum() / weights.sum().clamp(min=LEAST_WEIGHT)
