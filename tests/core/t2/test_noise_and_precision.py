"""Noise level of magnitudes, and the precision that echo times allow."""

from __future__ import annotations

import pytest
import torch

from fetalt2prep.core.signal import monoexponential
from fetalt2prep.core.t2.nlls import fit_nlls
from fetalt2prep.core.t2.noise_level import sigma_from_background, sigma_from_residuals
from fetalt2prep.core.t2.precision import t2_precision

from .conftest import with_noise

FETAL_S = torch.tensor([0.300, 0.397, 0.600], dtype=torch.float64)


def test_background_gives_the_noise() -> None:
    noise = with_noise(torch.zeros(1, 20_000).double(), 7.0, magnitude=True)[0]
    assert sigma_from_background(noise) == pytest.approx(7.0, rel=0.02)


def test_a_background_that_is_not_noise_is_not_used() -> None:
    noise = with_noise(torch.zeros(1, 20_000).double(), 7.0, magnitude=True)[0]
    assert sigma_from_background(noise[:100]) is None
    assert sigma_from_background(torch.where(torch.arange(20_000) % 2 == 0, noise, 0.0)) is None
    assert sigma_from_background(noise + 100.0) is None


@pytest.mark.parametrize(("n_echoes", "sigma"), [(3, 20.0), (3, 60.0), (6, 30.0)])
def test_residuals_give_the_noise(n_echoes: int, sigma: float) -> None:
    te = torch.linspace(0.1, 0.6, n_echoes, dtype=torch.float64)
    clean = monoexponential(torch.full((20_000,), 1000.0).double(), torch.full((20_000,), 0.25).double(), te)
    assert sigma_from_residuals(with_noise(clean, sigma, magnitude=True), te) == pytest.approx(sigma, rel=0.1)


def test_residuals_that_say_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="two echoes leave no residual"):
        sigma_from_residuals(torch.ones(2, 5), torch.tensor([0.1, 0.2]))
    with pytest.raises(ValueError, match="no voxel could be fitted"):
        sigma_from_residuals(torch.zeros(3, 5), FETAL_S)


@pytest.mark.parametrize(("t2_ms", "snr", "percent"), [(250, 20, 43), (250, 50, 17), (340, 50, 14), (250, 100, 9)])
def test_precision_against_published_arithmetic(t2_ms: float, snr: float, percent: float) -> None:
    """Computed by others for normal noise, 300/397/600 ms, rounded to per cent."""
    found = t2_precision(FETAL_S, torch.tensor(t2_ms / 1000.0), snr, magnitude=False)
    assert 100 * float(found) == pytest.approx(percent, abs=0.6)


def test_precision_is_the_spread_of_a_good_fit() -> None:
    clean = monoexponential(torch.full((40_000,), 1000.0).double(), torch.full((40_000,), 0.3).double(), FETAL_S)
    spread = float(fit_nlls(with_noise(clean, 5.0), FETAL_S).t2_s.double().std())
    bound = 0.3 * float(t2_precision(FETAL_S, torch.tensor(0.3), 200.0))
    assert bound == pytest.approx(spread, rel=0.03)


def test_magnitudes_say_less_near_the_floor() -> None:
    t2 = torch.tensor([0.10, 0.25])
    normal, magnitude = (t2_precision(FETAL_S, t2, 30.0, magnitude=kind) for kind in (False, True))
    assert bool((magnitude > normal).all())
    assert float(magnitude[0] / normal[0]) > float(magnitude[1] / normal[1])
    assert t2_precision(torch.stack((FETAL_S, FETAL_S)), t2, 30.0).shape == (2, 2)
