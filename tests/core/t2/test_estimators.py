"""What each estimator is for: the case in which the simpler one is wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import curve_fit

from fetalt2prep.core.signal import monoexponential
from fetalt2prep.core.t2.epg import fit_epg, fit_epg_b1
from fetalt2prep.core.t2.loglinear import fit_loglinear
from fetalt2prep.core.t2.nlls import fit_nlls
from fetalt2prep.core.t2.rician import fit_rician
from fetalt2prep.core.t2.train_dictionary import TrainOptions
from fetalt2prep.core.t2.weighted_loglinear import fit_weighted_loglinear

from .conftest import train_echoes, with_noise

FETAL_S = torch.tensor([0.300, 0.395, 0.600], dtype=torch.float64)
MESE_S = 0.0132 * torch.arange(2, 12, dtype=torch.float64)


def decays(t2_s: float, n: int, te_s: torch.Tensor) -> torch.Tensor:
    return monoexponential(torch.full((n,), 1000.0).double(), torch.full((n,), t2_s).double(), te_s)


def test_nlls_is_scipys() -> None:
    echoes = with_noise(decays(0.08, 60, MESE_S), 15.0)
    found = fit_nlls(echoes, MESE_S)
    for k in range(echoes.shape[1]):
        (s0, t2), covariance = curve_fit(
            lambda te, s0, t2: s0 * np.exp(-te / t2), MESE_S.numpy(), echoes[:, k].numpy(), p0=(1000.0, 0.1)
        )
        assert float(found.t2_s[k]) == pytest.approx(t2, rel=1e-4)
        assert float(found.s0[k]) == pytest.approx(s0, rel=1e-4)
        assert float(found.t2_stderr_s[k]) == pytest.approx(np.sqrt(covariance[1, 1]), rel=1e-3)
        assert float(found.covariance[k]) == pytest.approx(covariance[0, 1], rel=1e-3)


@pytest.mark.parametrize(("snr", "plain_bias"), [(1.6, 0.15), (3.0, 0.04)])
def test_rician_where_the_last_echo_is_near_the_floor(snr: float, plain_bias: float) -> None:
    """Median T2; signal of the last echo over sigma. At 1.6 its mean magnitude is 3 times the background's spread."""
    clean = decays(0.25, 40_000, FETAL_S)
    sigma = float(clean[-1, 0]) / snr
    echoes = with_noise(clean, sigma, magnitude=True)
    plain, rician = fit_loglinear(echoes, FETAL_S), fit_rician(echoes, FETAL_S, sigma=sigma)
    assert float(plain.t2_s.nanmedian()) / 0.25 - 1 > plain_bias
    assert abs(float(rician.t2_s.nanmedian()) / 0.25 - 1) < 0.02


def test_the_noise_may_be_a_map() -> None:
    echoes = with_noise(decays(0.25, 50, FETAL_S), 20.0, magnitude=True)
    one = fit_rician(echoes, FETAL_S, sigma=20.0)
    same = fit_rician(echoes, FETAL_S, sigma=torch.full((50,), 20.0))
    torch.testing.assert_close(one.t2_s, same.t2_s, equal_nan=True)
    with pytest.raises(ValueError, match="must be positive"):
        fit_rician(echoes, FETAL_S, sigma=0.0)


@pytest.mark.parametrize(("angle", "b1"), [(135.0, 1.0), (160.0, 0.8), (150.0, 1.1)])
def test_epg_where_one_exponential_is_biased(angle: float, b1: float) -> None:
    t2 = torch.linspace(0.15, 0.4, 20, dtype=torch.float64)
    train = TrainOptions(spacing_s=0.005, refocusing_deg=angle, t1_s=2.45)
    echoes = train_echoes(t2, FETAL_S, train, b1)
    assumed = TrainOptions(spacing_s=0.005, refocusing_deg=angle)  # another T1
    corrected = fit_epg(echoes, FETAL_S, assumed, b1=b1)
    assert float((corrected.t2_s / t2 - 1).abs().max()) < 0.01
    assert float((corrected.s0 - 1).abs().max()) < 0.01
    if angle == 135.0:
        assert float((fit_nlls(echoes, FETAL_S).t2_s / t2 - 1).median()) > 0.07


def test_a_b1_map_is_read_voxel_by_voxel() -> None:
    train = TrainOptions(spacing_s=0.005, refocusing_deg=150.0)
    fields = (0.8, 0.93, 1.0)
    t2 = torch.tensor([0.25], dtype=torch.float64)
    echoes = torch.cat([train_echoes(t2, FETAL_S, train, b1) for b1 in fields], dim=1)
    fit = fit_epg(echoes, FETAL_S, train, b1=torch.tensor(fields))
    assert fit.t2_s.tolist() == pytest.approx([0.25] * 3, rel=2e-3)
    assert fit.b1 is not None
    assert fit.b1.tolist() == pytest.approx(fields)


@pytest.mark.parametrize("b1", [0.7, 0.85, 0.97])
def test_b1_is_found_from_ten_echoes(b1: float) -> None:
    t2 = torch.linspace(0.05, 0.3, 20, dtype=torch.float64)
    train = TrainOptions(spacing_s=0.0132, refocusing_deg=180.0, t1_s=1.5)
    fit = fit_epg_b1(train_echoes(t2, MESE_S, train, b1), MESE_S, train)
    assert fit.b1 is not None
    assert float((fit.b1 - b1).abs().max()) < 0.02
    assert float((fit.t2_s / t2 - 1).abs().max()) < 0.005


def test_not_knowing_b1_makes_t2_less_sure() -> None:
    train = TrainOptions(spacing_s=0.0132, refocusing_deg=180.0)
    echoes = 1000 * train_echoes(torch.full((4000,), 0.1).double(), MESE_S, train, 0.8)
    measured = with_noise(echoes, 10.0)
    error = torch.full_like(measured, 10.0)
    known = fit_epg(measured, MESE_S, train, b1=0.8, stderr=error)
    fitted = fit_epg_b1(measured, MESE_S, train, stderr=error)
    assert float(fitted.t2_stderr_s.median()) > 1.01 * float(known.t2_stderr_s.median())
    spread = float(fitted.t2_s.double().std())
    assert float(fitted.t2_stderr_s.median()) == pytest.approx(spread, rel=0.15)


def test_three_echoes_cannot_tell_b1() -> None:
    train = TrainOptions(spacing_s=0.005, refocusing_deg=150.0)
    with pytest.raises(ValueError, match="give a B1 map"):
        fit_epg_b1(torch.ones(3, 2), FETAL_S, train)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spacing_s": 5.0}, "seconds are wanted"),
        ({"spacing_s": 0.0}, "must be positive"),
        ({"refocusing_deg": 200.0}, "60 to 180"),
        ({"b1_range": (1.1, 1.3)}, "with 1 between"),
    ],
)
def test_a_train_that_cannot_be_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainOptions(**({"spacing_s": 0.005, "refocusing_deg": 150.0} | changes))  # type: ignore[arg-type]


def test_an_echo_time_between_echoes_is_refused() -> None:
    train = TrainOptions(spacing_s=0.010, refocusing_deg=150.0)
    with pytest.raises(ValueError, match="no multiple of the echo spacing"):
        fit_epg(torch.ones(2, 1), torch.tensor([0.014, 0.030]), train)


def test_weights_follow_the_errors_given() -> None:
    """An echo declared worthless does not move T2, whatever it is."""
    echoes = decays(0.2, 1, FETAL_S)
    echoes[1] *= 1.5
    error = torch.tensor([[1.0], [1e9], [1.0]], dtype=torch.float64)
    for fit in (fit_weighted_loglinear, fit_nlls):
        assert float(fit(echoes, FETAL_S, stderr=error).t2_s) == pytest.approx(0.2, rel=1e-5)
        assert float(fit(echoes, FETAL_S).t2_s) != pytest.approx(0.2, rel=1e-3)
