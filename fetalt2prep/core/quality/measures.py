"""What a stack measures by itself: sharpness, noise, motion between its slices, how much its slices differ."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.core.denoise.noise import estimate_noise_sigma
from fetalt2prep.core.stack import Stack

RANK_RESIDUAL = 0.1


def snr(stack: Stack) -> float:
    """Mean signal of the mask over the standard deviation of the noise; NaN when either is not known."""
    sigma = stack.noise_sigma or estimate_noise_sigma(stack.pixels, stack.mask)
    return float(stack.pixels[stack.mask].mean() / sigma) if stack.mask.any() and sigma > 0 else math.nan


def sharpness_per_mm(stack: Stack) -> float:
    """Root mean square of the in-plane gradient over the mean signal, 1/mm, less what the noise adds.

    Of two stacks of one plane and echo time the sharper one has more.
    """
    if not stack.mask.any() or min(stack.pixels.shape[:2]) < 3:
        return math.nan
    sigma = stack.noise_sigma or estimate_noise_sigma(stack.pixels, stack.mask)
    pixels, spacing = stack.pixels.astype(np.float64), stack.spacing_mm
    power = sum(np.gradient(pixels, spacing[axis], axis=axis)[stack.mask] ** 2 for axis in (0, 1))
    noise = sum(sigma**2 / 2 / spacing[axis] ** 2 for axis in (0, 1))  # of a central difference
    return float(np.sqrt(max(float(np.mean(power)) - noise, 0.0)) / max(float(stack.pixels[stack.mask].mean()), 1e-9))


def motion_index_mm(mask: NDArray[np.bool_], affine: NDArray[np.float64]) -> float:
    """Mean distance between the middles of neighbouring cross-sections, mm, over the central third of the slices.

    As pymialsrtk orders stacks by it (Tourbier 2015), along the slices' own planes. NaN with fewer than two slices.
    """
    slices = np.flatnonzero(mask.any((0, 1)))
    third = slices[len(slices) // 3 : max(len(slices) - len(slices) // 3, len(slices) // 3 + 2)]
    if len(third) < 2:
        return math.nan
    spacing = np.linalg.norm(affine[:3, :2], axis=0)
    middle = np.array([np.argwhere(mask[:, :, k]).mean(0) * spacing for k in third])
    return float(np.linalg.norm(np.diff(middle, axis=0), axis=1).mean())


def rank_measure(stack: Stack) -> float:
    """Share of singular vectors, 0 to 1, that leave 10 % of the slices' energy about their mean: low when still.

    The idea of Kainz 2015 (doi:10.1109/TMI.2015.2415453): motion makes the matrix of the slices harder to approximate.
    Compare stacks of one plane only. NaN with fewer than three slices.
    """
    slices = np.flatnonzero(stack.mask.any((0, 1)))
    if len(slices) < 3:
        return math.nan
    region = stack.mask.any(2)
    matrix = (stack.pixels * stack.mask)[region][:, slices].astype(np.float64)
    values = np.linalg.svd(matrix - matrix.mean(1, keepdims=True), compute_uv=False) ** 2
    total = float(values.sum())
    if total <= 0:
        return 0.0
    needed = int(np.searchsorted(np.cumsum(values) / total, 1 - RANK_RESIDUAL)) + 1
    return needed / len(slices)
