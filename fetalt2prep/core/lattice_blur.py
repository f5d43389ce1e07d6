"""Separable Gaussian blur between sets of lattice points, as three sparse products.

A brain fills a quarter of the box around it, and a pixel's point spread function needs the blurred signal only where it
samples. On the points that matter the blur of :func:`fetalt2prep.core.slice_op.blur` costs a sixth of what it costs on
the whole box, and is the same to rounding.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fetalt2prep.core.geometry import Grid
from fetalt2prep.core.slice_op import sampled_gaussian_sum
from fetalt2prep.core.sparse_rows import csr

REACH_SIGMAS = 4.0  # the kernel ends here


class LatticeBlur:
    """A :class:`~fetalt2prep.core.operator.LinearOperator` from signals at some points to blurred ones at others.

    forward: (n_from, channel) -> (n_to, channel), signals being zero at all other points; adjoint: the transpose.
    """

    def __init__(self, grid: Grid, start: Tensor, end: Tensor, sigma_voxels: float) -> None:
        """start, end: flat grid indices, (n_from,) and (n_to,), each index once."""
        self._passes: list[tuple[Tensor, Tensor]] = []
        reach = max(0, math.ceil(REACH_SIGMAS * sigma_voxels - 0.5))
        steps = torch.arange(-reach, reach + 1, device=start.device)
        taps = steps, (torch.exp(-0.5 * (steps / max(sigma_voxels, 1e-6)).square()) / _sum(sigma_voxels)).float()
        shape = grid.shape
        needed = [_spread(_spread(_set(grid, end), 2, reach), 1, reach), _spread(_set(grid, end), 2, reach)]
        here, known = start, _set(grid, start)
        for axis in range(3):
            known = _spread(known, axis, reach)
            there = end if axis == 2 else (known & needed[axis]).flatten().nonzero()[:, 0]
            known = _set(grid, there)
            self._passes.append(
                (_pass(shape, here, there, axis, taps), _pass(shape, there, here, axis, taps)),
            )
            here = there

    def forward(self, x: Tensor) -> Tensor:
        """(n_from, channel) -> (n_to, channel)."""
        for matrix, _ in self._passes:
            x = matrix @ x
        return x

    def adjoint(self, y: Tensor) -> Tensor:
        """(n_to, channel) -> (n_from, channel)."""
        for _, matrix in reversed(self._passes):
            y = matrix @ y
        return y


def _sum(sigma_voxels: float) -> float:
    return sampled_gaussian_sum(sigma_voxels) if sigma_voxels > 0 else 1.0


def _set(grid: Grid, index: Tensor) -> Tensor:
    """Points as a boolean volume (x, y, z)."""
    points = torch.zeros(grid.n_points, dtype=torch.bool, device=index.device)
    points[index] = True
    return points.reshape(grid.shape)


def _spread(points: Tensor, axis: int, reach: int) -> Tensor:
    """Points within ``reach`` of a set along one axis."""
    out = points.clone()
    n = points.shape[axis]
    for step in range(1, min(reach, n - 1) + 1):
        out.narrow(axis, step, n - step).logical_or_(points.narrow(axis, 0, n - step))
        out.narrow(axis, 0, n - step).logical_or_(points.narrow(axis, step, n - step))
    return out


def _pass(
    shape: tuple[int, int, int], source: Tensor, target: Tensor, axis: int, taps: tuple[Tensor, Tensor]
) -> Tensor:
    """One axis's blur, (n_target, n_source); taps: steps and weights, symmetric, so the transpose swaps the sets."""
    steps, weights = taps
    stride = math.prod(shape[axis + 1 :])
    position = torch.full((math.prod(shape),), -1, dtype=torch.int32, device=source.device)
    position[source] = torch.arange(len(source), dtype=torch.int32, device=source.device)
    at = (target // stride % shape[axis])[:, None] + steps
    column = position[(target[:, None] + steps * stride).clamp_(0, len(position) - 1)]
    seen = (at >= 0) & (at < shape[axis]) & (column >= 0)
    rows = torch.arange(0, seen.numel() + 1, len(steps), device=source.device)
    values = (seen * weights).flatten()  # what is not seen stays as a zero: rows of one length are quick to make
    return csr(rows, column.clamp_(min=0).flatten(), values, (len(target), len(source)))
