"""What every estimator promises: exactness, laws, reasons, standard errors."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fetalt2prep.core.signal import monoexponential
from fetalt2prep.core.t2.fit import T2Reason

from .conftest import ESTIMATORS, TE_S, Estimator, rician_with, with_noise

MAPS = ("t2_s", "s0", "t2_stderr_s", "s0_stderr", "covariance", "rmse", "r_squared")
NAN = float("nan")


def noisy(n: int = 200, noise: float = 10.0, seed: int = 0, *, magnitude: bool = False) -> torch.Tensor:
    echoes = monoexponential(torch.full((n,), 1000.0).double(), torch.full((n,), 0.15).double(), TE_S)
    return with_noise(echoes, noise, seed, magnitude=magnitude)


@pytest.mark.parametrize("n_echoes", [2, 3, 4])
def test_exact_decays_are_recovered(estimator: Estimator, n_echoes: int) -> None:
    t2 = torch.tensor([[0.06, 0.15, 0.4, 1.8]], dtype=torch.float64)
    s0 = torch.tensor([[100.0, 900.0, 3.0, 5000.0]], dtype=torch.float64)
    te = TE_S[:n_echoes]
    for k in range(t2.shape[1]):  # one by one: the Rician noise level is a share of the largest echo
        fit = estimator(monoexponential(s0[:, k], t2[:, k], te), te)
        assert float(fit.t2_s) == pytest.approx(float(t2[:, k]), rel=1e-5)
        assert float(fit.s0) == pytest.approx(float(s0[:, k]), rel=1e-5)
        assert bool(fit.ok)
        assert bool(fit.converged)
        assert float(fit.rmse) < 1e-5 * float(s0[:, k])
        assert float(fit.r_squared) == pytest.approx(1.0, abs=1e-6)
        assert int(fit.n_echoes) == n_echoes


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(sorted(ESTIMATORS)),
    t2_s=st.floats(0.03, 2.0),
    s0=st.floats(1e-3, 1e5),
    gain=st.floats(1e-3, 1e3),
    order=st.permutations(range(4)),
    seed=st.integers(0, 1000),
)
def test_gain_and_order_of_echoes_do_not_move_t2(
    name: str, t2_s: float, s0: float, gain: float, order: list[int], seed: int
) -> None:
    fit = ESTIMATORS[name]
    clean = monoexponential(torch.tensor([s0]).double(), torch.tensor([t2_s]).double(), TE_S)
    noise = 0.02 * clean.amax()
    error = noise * torch.rand((4, 1), generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + noise / 10
    echoes = (clean + error * torch.randn((4, 1), generator=torch.Generator().manual_seed(seed + 1))).clamp(min=0)
    one = fit(echoes, TE_S, stderr=error)
    louder = fit(gain * echoes, TE_S, stderr=gain * error)
    shuffled = fit(echoes[order], TE_S[order], stderr=error[order])
    for other, unit in ((louder, gain), (shuffled, 1.0)):
        assert other.reason.tolist() == one.reason.tolist()
        if bool(one.ok):
            assert float(other.t2_s) == pytest.approx(float(one.t2_s), rel=1e-5)
            assert float(other.t2_stderr_s) == pytest.approx(float(one.t2_stderr_s), rel=1e-4)
            assert float(other.s0) == pytest.approx(unit * float(one.s0), rel=1e-5)
            assert float(other.covariance) == pytest.approx(unit * float(one.covariance), rel=1e-4)
            assert float(other.rmse) == pytest.approx(unit * float(one.rmse), rel=1e-3, abs=1e-6 * unit * s0)


def test_any_shape_of_grid(estimator: Estimator) -> None:
    echoes = noisy(24)
    error = torch.full_like(echoes, 10.0)
    flat = estimator(echoes, TE_S, stderr=error).t2_s
    shaped = estimator(echoes.reshape(4, 2, 3, 4), TE_S, stderr=error.reshape(4, 2, 3, 4)).t2_s
    torch.testing.assert_close(shaped, flat.reshape(2, 3, 4), equal_nan=True)


@pytest.mark.parametrize(
    ("signal", "floor", "reason", "n_echoes"),
    [
        ((100.0, 70.0, 50.0, 30.0), 0.0, T2Reason.OK, 4),
        ((100.0, NAN, 50.0, 30.0), 0.0, T2Reason.OK, 3),
        ((0.0, 0.0, 0.0, 0.0), 0.0, T2Reason.OUTSIDE, 0),
        ((NAN, NAN, NAN, NAN), 0.0, T2Reason.OUTSIDE, 0),
        ((100.0, NAN, NAN, NAN), 0.0, T2Reason.TOO_FEW_ECHOES, 1),
        ((100.0, -1.0, 0.0, -3.0), 0.0, T2Reason.NON_POSITIVE, 1),
        ((-4.0, -1.0, -2.0, -3.0), 0.0, T2Reason.NON_POSITIVE, 0),
        ((100.0, 9.0, 8.0, 7.0), 10.0, T2Reason.BELOW_NOISE, 1),
        ((30.0, 50.0, 70.0, 100.0), 0.0, T2Reason.RISING, 4),
        ((50.0, 50.0, 50.0, 50.0), 0.0, T2Reason.RISING, 4),
        ((100.0, 99.9, 99.8, 99.7), 0.0, T2Reason.AT_BOUND, 4),
        ((1e9, 1.0, 1e-8, 1e-12), 0.0, T2Reason.AT_BOUND, 4),
    ],
)
def test_every_reason(
    estimator: Estimator, signal: tuple[float, ...], floor: float, reason: T2Reason, n_echoes: int
) -> None:
    echoes = torch.tensor(signal, dtype=torch.float64)[:, None]
    fit = estimator(echoes, TE_S, floor=floor, stderr=torch.full_like(echoes, 1e-13))
    assert T2Reason(int(fit.reason)) is reason
    assert bool(fit.ok) is (reason is T2Reason.OK)
    assert int(fit.n_echoes) == n_echoes
    for name in MAPS:
        assert bool(torch.isfinite(getattr(fit, name))) is (reason is T2Reason.OK), name


def test_echoes_at_the_same_time_are_one(estimator: Estimator) -> None:
    echoes = torch.tensor([[10.0], [9.0], [NAN], [NAN]]).double()
    fit = estimator(echoes, torch.tensor([0.1, 0.1, 0.2, 0.3]), stderr=torch.ones_like(echoes))
    assert int(fit.reason) == T2Reason.TOO_FEW_ECHOES


def test_bounds_are_options(estimator: Estimator) -> None:
    echoes = monoexponential(torch.full((3,), 10.0).double(), torch.tensor([0.1, 0.2, 0.4]).double(), TE_S)
    fit = estimator(echoes, TE_S, t2_range_s=(0.15, 0.3))
    assert fit.reason.tolist() == [T2Reason.AT_BOUND, T2Reason.OK, T2Reason.AT_BOUND]
    assert torch.isfinite(fit.t2_s).tolist() == [False, True, False]


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (0.2, 0.1), (0.1, float("inf")), (NAN, 1.0)])
def test_bounds_that_are_no_interval_are_refused(estimator: Estimator, bounds: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="bounds of T2"):
        estimator(noisy(2), TE_S, t2_range_s=bounds)


@pytest.mark.parametrize(
    ("te", "message"),
    [([0.1], "two distinct"), ([0.1, 0.1], "two distinct"), ([0.1, NAN], "0 or more"), ([0.1, 0.2, 0.3], "one time")],
)
def test_echo_times_that_give_no_decay_are_refused(estimator: Estimator, te: list[float], message: str) -> None:
    echoes = torch.ones(1 if len(te) == 1 else 2, 3)
    with pytest.raises(ValueError, match=message):
        estimator(echoes, torch.tensor(te), stderr=torch.ones_like(echoes))


def test_echoes_at_the_floor_are_left_out(estimator: Estimator) -> None:
    """A last echo lost in noise would make T2 long; the floor leaves it out."""
    echoes = monoexponential(torch.tensor([1000.0]).double(), torch.tensor([0.05]).double(), TE_S)
    echoes[2:] = 25.0
    error = torch.full_like(echoes, 0.01)
    assert float(estimator(echoes, TE_S, floor=26.0, stderr=error).t2_s) == pytest.approx(0.05, rel=1e-4)
    assert float(estimator(echoes, TE_S, stderr=error).t2_s) > 0.0501


def test_an_echo_of_unknown_error_is_not_used(estimator: Estimator) -> None:
    echoes = noisy(1)
    error = torch.full_like(echoes, 5.0)
    error[1] = torch.inf
    kept = [0, 2, 3]
    with_hole = estimator(echoes, TE_S, stderr=error)
    without = estimator(echoes[kept], TE_S[kept], stderr=error[kept])
    assert int(with_hole.n_echoes) == 3
    torch.testing.assert_close(with_hole.t2_s, without.t2_s)


@pytest.mark.parametrize("snr", [10.0, 30.0, 100.0])
def test_errors_given_cover_the_truth(estimator: Estimator, snr: float) -> None:
    """T2 +- 1.96 standard errors holds the truth in 95 % of voxels; SNR of the first echo, 2.3 and more in the last.

    Each estimator gets the noise it is made for.
    """
    noise = 1000.0 * float(torch.exp(-TE_S[0] / 0.15)) / snr
    echoes = noisy(20_000, noise, magnitude=estimator is rician_with)
    fit = estimator(echoes, TE_S, stderr=torch.full_like(echoes, noise))
    for value, error, truth in ((fit.t2_s, fit.t2_stderr_s, 0.15), (fit.s0, fit.s0_stderr, 1000.0)):
        inside = ((value - truth).abs() < 1.96 * error)[fit.ok].double().mean()
        assert 0.92 < float(inside) < 0.975


@pytest.mark.parametrize("name", ["loglinear", "weighted", "nlls", "epg"])
@pytest.mark.parametrize("snr", [20.0, 100.0])
def test_errors_from_the_residual_cover_the_truth(name: str, snr: float) -> None:
    """With two degrees of freedom the 95 % point of Student's t is 4.303."""
    noise = 1000.0 * float(torch.exp(-TE_S[0] / 0.15)) / snr
    fit = ESTIMATORS[name](noisy(20_000, noise), TE_S)
    inside = ((fit.t2_s - 0.15).abs() < 4.303 * fit.t2_stderr_s)[fit.ok].double().mean()
    assert 0.92 < float(inside) < 0.975


def test_covariance_is_that_of_repetitions(estimator: Estimator) -> None:
    echoes = noisy(40_000, noise=8.0)
    fit = estimator(echoes, TE_S, stderr=torch.full_like(echoes, 8.0))
    spread = torch.cov(torch.stack((fit.s0, fit.t2_s)).double())
    assert float(fit.covariance.mean()) == pytest.approx(float(spread[0, 1]), rel=0.05)
    assert float(fit.t2_stderr_s.square().mean()) == pytest.approx(float(spread[1, 1]), rel=0.05)
    assert float(fit.s0_stderr.square().mean()) == pytest.approx(float(spread[0, 0]), rel=0.05)


@settings(max_examples=30, deadline=None)
@given(
    name=st.sampled_from(["loglinear", "weighted", "nlls", "epg"]),
    factor=st.floats(1.0, 50.0),
    seed=st.integers(0, 10_000),
)
def test_a_larger_error_of_the_echoes_never_shrinks_that_of_t2(name: str, factor: float, seed: int) -> None:
    echoes = noisy(20, noise=30.0, seed=seed)
    low = ESTIMATORS[name](echoes, TE_S, stderr=torch.full_like(echoes, 30.0))
    high = ESTIMATORS[name](echoes, TE_S, stderr=torch.full_like(echoes, 30.0 * factor))
    assert bool((high.t2_stderr_s >= low.t2_stderr_s * (1 - 1e-4))[low.ok & high.ok].all())


def test_more_noise_in_the_data_never_shrinks_the_typical_error(estimator: Estimator) -> None:
    errors = []
    for noise in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0):
        echoes = noisy(4000, noise)
        fit = estimator(echoes.abs(), TE_S, stderr=torch.full_like(echoes, noise))
        errors.append(float(fit.t2_stderr_s.nanmedian()))
    assert errors == sorted(errors)
