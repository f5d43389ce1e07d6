"""Every estimator under one signature: the contract is tested once, for all of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from fetalt2prep.core.epg import echo_train, refocusing_train
from fetalt2prep.core.t2.epg import fit_epg, fit_epg_b1
from fetalt2prep.core.t2.fit import T2Fit
from fetalt2prep.core.t2.loglinear import fit_loglinear
from fetalt2prep.core.t2.nlls import fit_nlls
from fetalt2prep.core.t2.rician import fit_rician
from fetalt2prep.core.t2.train_dictionary import TrainOptions
from fetalt2prep.core.t2.weighted_loglinear import fit_weighted_loglinear

TE_S = torch.tensor([0.08, 0.14, 0.2, 0.3], dtype=torch.float64)
IDEAL = TrainOptions(spacing_s=0.02, refocusing_deg=180.0)
Estimator = Callable[..., T2Fit]


def rician_with(echoes, te_s, *, stderr=None, **options):  # type: ignore[no-untyped-def]
    """The Rician fit takes sigma where the others take the standard errors; nearly none by default."""
    sigma = 1e-6 * echoes.nan_to_num(0.0).abs().max().double() if stderr is None else stderr
    return fit_rician(echoes, te_s, sigma=sigma, **options)


ESTIMATORS: dict[str, Estimator] = {
    "loglinear": fit_loglinear,
    "weighted": fit_weighted_loglinear,
    "nlls": fit_nlls,
    "rician": rician_with,
    "epg": lambda echoes, te_s, **options: fit_epg(echoes, te_s, IDEAL, **options),
}


@pytest.fixture(params=list(ESTIMATORS))
def estimator(request: pytest.FixtureRequest) -> Estimator:
    return ESTIMATORS[request.param]


def train_echoes(t2_s: torch.Tensor, te_s: torch.Tensor, train: TrainOptions, b1: float = 1.0) -> torch.Tensor:
    """Echoes of a fast spin echo, computed without the dictionary; (voxel,) -> (echo, voxel), S0 = 1."""
    numbers = [train.echo_of(float(te)) for te in te_s]
    angles = refocusing_train(max(numbers), math.radians(train.refocusing_deg))
    t1 = torch.full_like(t2_s, train.t1_s)
    echoes = echo_train(t1, t2_s, train.spacing_s, angles, b1=torch.full_like(t2_s, b1))
    return echoes[[number - 1 for number in numbers]]


def with_noise(clean: torch.Tensor, sigma: float, seed: int = 0, *, magnitude: bool = False) -> torch.Tensor:
    """Echoes (echo, voxel) with normal noise, or the magnitude of complex noise."""
    generator = torch.Generator().manual_seed(seed)
    real, imaginary = sigma * torch.randn((2, *clean.shape), generator=generator, dtype=torch.float64)
    return torch.hypot(clean + real, imaginary) if magnitude else clean + real


__all__ = ["ESTIMATORS", "TE_S", "Estimator", "fit_epg_b1", "train_echoes", "with_noise"]
