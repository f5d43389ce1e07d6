"""Where k-space is sampled: golden-angle spokes, random lines, and the acceleration they stand for."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

GOLDEN_ANGLE_RAD = math.pi * 2 / (1 + math.sqrt(5))  # 111.25 degrees, doi:10.1109/TMI.2006.885337


def golden_angle_spokes(n_spokes: int, n: int, n_samples: int | None = None, *, first: int = 0) -> Tensor:
    """Frequencies (spoke, sample, 2) along y and x, cycles per pixel of an n x n image.

    Spoke i lies at ``(first + i)`` golden angles from the x axis. Samples run from -1/2 to just below 1/2; by default
    there are 2 n of them, twice oversampled; the centre of k-space is sample ``n_samples // 2``.
    """
    n_samples = 2 * n if n_samples is None else n_samples
    angle = GOLDEN_ANGLE_RAD * (first + torch.arange(n_spokes, dtype=torch.float64))
    radius = (torch.arange(n_samples, dtype=torch.float64) - n_samples // 2) / n_samples
    direction = torch.stack((torch.sin(angle), torch.cos(angle)), -1)
    return (radius[:, None] * direction[:, None]).float()


def variable_density_lines(
    n_frames: int, n_lines: int, n: int, generator: np.random.Generator, n_centre: int = 4
) -> NDArray[np.int64]:
    """Phase-encoding lines (frame, line) in 0..n-1, ascending: the centre in every frame, others drawn anew."""
    n_centre = min(n_centre, n_lines)
    centre = np.arange(n // 2 - n_centre // 2, n // 2 - n_centre // 2 + n_centre)
    others = np.setdiff1d(np.arange(n), centre)
    weight = 1.0 / (1.0 + np.abs(others - n // 2) / (n / 8)) ** 1.5
    drawn = [
        generator.choice(others, n_lines - n_centre, replace=False, p=weight / weight.sum()) for _ in range(n_frames)
    ]
    return np.stack([np.sort(np.concatenate((centre, line))) for line in drawn]).astype(np.int64)


def radial_acceleration(n: int, n_spokes: int) -> float:
    """Acceleration against the pi/2 n spokes that an n x n image takes."""
    return math.pi / 2 * n / n_spokes
