"""The estimator that was chosen, on echoes and what is known of their noise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fetalt2prep.core.t2.epg import fit_epg, fit_epg_b1
from fetalt2prep.core.t2.fit import T2Fit
from fetalt2prep.core.t2.loglinear import fit_loglinear
from fetalt2prep.core.t2.nlls import fit_nlls
from fetalt2prep.core.t2.noise_level import sigma_from_background, sigma_from_residuals
from fetalt2prep.core.t2.options import T2Options
from fetalt2prep.core.t2.rician import fit_rician
from fetalt2prep.core.t2.train_dictionary import TrainOptions
from fetalt2prep.core.t2.weighted_loglinear import fit_weighted_loglinear

CLOSED = {"weighted": fit_weighted_loglinear, "loglinear": fit_loglinear, "nlls": fit_nlls}


@dataclass(frozen=True, kw_only=True)
class Noise:
    """What is known of the noise of the echoes."""

    sigma: float
    """Standard deviation in each part of the complex signal, in the units of the echoes."""
    source: str
    """``given``, ``background`` or ``residuals``."""


def estimate_t2(
    echoes: Tensor,
    te_s: Tensor,
    options: T2Options,
    *,
    stderr: Tensor | None = None,
    sigma: float | None = None,
    b1: Tensor | None = None,
) -> T2Fit:
    """Fit T2 and S0 as ``options`` say; echoes and stderr (echo, *grid), b1 (*grid) for ``epg`` alone.

    ``rician`` takes ``sigma``, or in its absence ``stderr``, for its noise; so does the noise floor.

    Raises
    ------
    ValueError
        What the estimator refuses; ``rician`` without any noise level; a B1 map for another model.
    """
    if b1 is not None and options.model != "epg":
        raise ValueError(f"a B1 map is of use to the model epg only, not to {options.model}.")
    floor, bounds = _floor(options, stderr, sigma), options.t2_bounds_s
    if options.model in CLOSED:
        return CLOSED[options.model](echoes, te_s, stderr=stderr, floor=floor, t2_range_s=bounds)
    if options.model == "rician":
        noise = sigma if sigma is not None else stderr
        if noise is None:
            raise ValueError("the Rician fit needs the noise: its level, or the standard errors of the echoes.")
        return fit_rician(echoes, te_s, sigma=noise, floor=floor, t2_range_s=bounds)
    train = train_of(options)
    if options.model == "epg-b1":
        return fit_epg_b1(echoes, te_s, train, stderr=stderr, floor=floor, t2_range_s=bounds)
    return fit_epg(echoes, te_s, train, b1=1.0 if b1 is None else b1, stderr=stderr, floor=floor, t2_range_s=bounds)


def _floor(options: T2Options, stderr: Tensor | None, sigma: float | None) -> Tensor | float:
    """Signal at or below which an echo is left out: the higher of the two floors."""
    if options.noise_floor == 0:
        return options.floor
    noise = sigma if sigma is not None else stderr
    if noise is None:
        raise ValueError("a noise floor needs the noise: its level, or the standard errors of the echoes.")
    return (options.noise_floor * torch.as_tensor(noise)).clamp(min=options.floor)


def train_of(options: T2Options) -> TrainOptions:
    """The echo train that the options describe."""
    if options.echo_spacing_s is None or options.refocusing_deg is None:
        raise ValueError("the echo train is not known: give the echo spacing (s) and the refocusing angle (degrees).")
    return TrainOptions(spacing_s=options.echo_spacing_s, refocusing_deg=options.refocusing_deg, t1_s=options.t1_s)


def find_noise(echoes: Tensor, te_s: Tensor, inside: Tensor, options: T2Options) -> Noise | None:
    """Noise level as given, else from around the mask, else from the residuals inside it; None when nothing says.

    echoes: (echo, *grid), not masked; inside: bool (*grid).
    """
    if options.noise_sigma is not None:
        return Noise(sigma=options.noise_sigma, source="given")
    outside = echoes[:, ~inside].reshape(-1)
    level = sigma_from_background(outside)
    if level is not None:
        return Noise(sigma=level, source="background")
    if len(torch.unique(te_s)) < 3:
        return None
    return Noise(sigma=sigma_from_residuals(echoes[:, inside], te_s), source="residuals")
