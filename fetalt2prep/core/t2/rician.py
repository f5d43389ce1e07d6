"""Rician maximum likelihood for T2: magnitudes near the noise floor, taken for what they are."""

from __future__ import annotations

import torch
from torch import Tensor

from fetalt2prep.core.likelihood import rician, rician_information
from fetalt2prep.core.t2.fit import T2Fit
from fetalt2prep.core.t2.nlls import exponential, exponential_decay, minimise_exponential
from fetalt2prep.core.t2.options import T2_RANGE_S
from fetalt2prep.core.t2.straight_line import checked_range
from fetalt2prep.core.t2.voxels import Decay, Voxels, fit_voxels
from fetalt2prep.core.t2.weighted_loglinear import weighted_line


def fit_rician(
    echoes: Tensor,
    te_s: Tensor,
    *,
    sigma: Tensor | float,
    floor: Tensor | float = 0.0,
    t2_range_s: tuple[float, float] = T2_RANGE_S,
) -> T2Fit:
    """Fit ``S0 exp(-TE / T2)`` to magnitudes in every voxel by maximum likelihood.

    ``sigma``: standard deviation of the noise in the real and the imaginary part, in the units of the echoes, a number
    or a map that broadcasts to ``echoes``; :mod:`fetalt2prep.core.t2.noise_level` estimates it. A voxel with fewer
    than two echoes above twice sigma has no answer (``BELOW_NOISE``). Standard errors are those of Fisher's
    information about magnitudes. Other parameters and errors as in
    :func:`fetalt2prep.core.t2.loglinear.fit_loglinear`.
    """
    bounds = checked_range(t2_range_s)
    level = torch.as_tensor(sigma, dtype=torch.float64, device=echoes.device)
    if level.ndim == 0 and not bool(level > 0):
        raise ValueError(f"sigma is {float(level):g}; the noise must be positive, in the units of the echoes.")

    def estimate(voxels: Voxels) -> Decay:
        line = weighted_line(voxels)
        best = minimise_exponential(rician, voxels, line, bounds)
        weight = voxels.weight
        told = weight * rician_information(exponential(best, line) * weight.sqrt())
        return exponential_decay(best, line, told, torch.ones_like(best.r2), bounds)

    return fit_voxels(estimate, echoes, te_s, stderr=level.expand_as(echoes), floor=floor, noise=level, lowest=0.0)
