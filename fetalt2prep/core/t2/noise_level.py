"""Noise of magnitude echoes: from what is around the head, or from what a fit leaves over."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fetalt2prep.core.t2.nlls import fit_nlls
from fetalt2prep.core.t2.rician import fit_rician

MIN_BACKGROUND = 500
RAYLEIGH_MEDIAN = math.sqrt(2.0 * math.log(2.0))
RAYLEIGH_QUARTILE_RATIO = math.sqrt(math.log(4.0) / math.log(4.0 / 3.0))
SHAPE_TOLERANCE = 0.15
MAX_RESIDUAL_ROUNDS = 4
NORMAL_MEDIAN_SQUARE = (0.0, 0.4549, 1.3863, 2.3660, 3.3567, 4.3515, 5.3481, 6.3458, 7.3441)
"""Median of chi-square with 0, 1, 2, ... degrees of freedom."""


def sigma_from_background(background: Tensor) -> float | None:
    """Standard deviation in each part of the complex noise, from magnitudes without signal, (n,); None when they are
    too few, partly zero, or not distributed like the magnitude of noise.

    Rayleigh: the median is 1.18 sigma and the third quartile over the first 2.20. Another ratio means that there is
    signal in the background (ghosts, the mother), that it was masked, or that many coils were combined.
    """
    values = background[torch.isfinite(background)].to(torch.float64)
    if len(values) < MIN_BACKGROUND or bool((values <= 0).double().mean() > 0.01):
        return None
    ordered = values.sort().values
    first, median, third = (float(ordered[int(share * (len(ordered) - 1))]) for share in (0.25, 0.5, 0.75))
    if not first > 0 or abs(third / first / RAYLEIGH_QUARTILE_RATIO - 1.0) > SHAPE_TOLERANCE:
        return None
    return median / RAYLEIGH_MEDIAN


def sigma_from_residuals(echoes: Tensor, te_s: Tensor) -> float:
    """The same from what a single exponential leaves over, (echo, *grid), three echoes or more.

    Fit, pool the squares of the residuals by their median over the voxels, and repeat with the Rician fit at that
    level, since a fit that takes the noise floor for signal leaves too little over.

    Raises
    ------
    ValueError
        Two echoes (the fit is exact), or no voxel that can be fitted.
    """
    if len(te_s) < 3:
        raise ValueError("two echoes leave no residual; give the noise level, or a background to take it from.")
    sigma = 0.0
    fit = fit_nlls(echoes, te_s)
    for _ in range(MAX_RESIDUAL_ROUNDS):  # each round needs the level of the one before
        whole = fit.ok & torch.isfinite(echoes).all(0) & (echoes > 0).all(0)
        if not bool(whole.any()):
            raise ValueError("no voxel could be fitted, so the residuals say nothing of the noise; give its level.")
        dof = min(len(te_s) - 2, len(NORMAL_MEDIAN_SQUARE) - 1)
        squares = len(te_s) * fit.rmse[whole].double().square()
        typical = NORMAL_MEDIAN_SQUARE[dof] if dof == len(te_s) - 2 else len(te_s) - 2.667
        previous, sigma = sigma, math.sqrt(float(squares.median()) / typical)
        if not sigma > 0 or abs(sigma - previous) < 0.01 * sigma:
            break
        fit = fit_rician(echoes, te_s, sigma=sigma)
    return sigma
