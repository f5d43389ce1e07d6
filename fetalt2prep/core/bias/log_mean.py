"""Geometric mean of the stacks of a session, on one coarse grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from fetalt2prep.core.geometry import Grid
from fetalt2prep.core.stack import Stack

SPACING_MM = 3.0
MARGIN_MM = 9.0
DARK = 0.2  # of the stack's median: voids, bone and air say nothing of a coil


@dataclass(frozen=True)
class LogMean:
    """Mean log-signal of several stacks in scanner space."""

    values: NDArray[np.float32]  # (x, y, z), 0 where no stack was seen
    inside: NDArray[np.bool_]  # (x, y, z), where one was
    grid: Grid


def log_mean(stacks: Sequence[Stack]) -> LogMean:
    """Mean over the stacks of log-signal less the stack's median, inside the masks, without dark pixels.

    The stacks stay where the scanner put them, because the coils did; a head that moved between echo times blurs
    its own anatomy here, over millimetres where the field changes over centimetres. The medians are taken off so that
    a point that some echo times miss is not brighter or darker for it; nothing else is done with them.

    Raises
    ------
    ValueError
        No stack has a pixel above 0 inside its mask.
    """
    seen = [stack for stack in stacks if (stack.pixels[stack.mask] > 0).any()]
    if not seen:
        raise ValueError("No stack has a bright pixel inside its mask: there is no field to estimate.")
    corners = [np.argwhere(s.mask) @ s.affine[:3, :3].T + s.affine[:3, 3] for s in seen]
    grid = Grid.around(torch.from_numpy(np.concatenate(corners)), SPACING_MM, MARGIN_MM)
    points = grid.points_mm().double().numpy()
    total, count = np.zeros(grid.shape), np.zeros(grid.shape)
    for stack in seen:  # a handful of stacks
        mean, known = _on_grid(stack, points)
        total += np.where(known, mean, 0.0)
        count += known
    values = np.divide(total, count, out=np.zeros(grid.shape), where=count > 0)
    return LogMean(values.astype(np.float32), count > 0, grid)


def _on_grid(stack: Stack, points_mm: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Log-signal less its median, linear between the pixels that count, (*, 3) -> (*), and where most of them do."""
    median = float(np.median(stack.pixels[stack.mask & (stack.pixels > 0)]))
    counts = stack.mask & (stack.pixels > DARK * median)
    relative = np.where(counts, np.log(np.where(counts, stack.pixels, median) / median), 0.0)
    to_index = np.linalg.inv(stack.affine)
    index = np.moveaxis(points_mm @ to_index[:3, :3].T + to_index[:3, 3], -1, 0)
    share, value = (
        ndimage.map_coordinates(array, index, order=1, mode="constant") for array in (counts.astype(float), relative)
    )
    known = share > 0.5
    return np.divide(value, share, out=np.zeros_like(value), where=known), known
