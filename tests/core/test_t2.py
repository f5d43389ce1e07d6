"""Log-linear T2."""

from __future__ import annotations

import pytest
import torch

from fetalt2prep.core.signal import monoexponential
from fetalt2prep.core.t2.fit import T2Reason
from fetalt2prep.core.t2.loglinear import fit_loglinear

TE_S = torch.tensor([0.08, 0.14, 0.2, 0.3])
S0 = torch.tensor([[100.0, 900.0, 3000.0]])
T2_S = torch.tensor([[0.06, 0.15, 1.8]])


def test_monoexponential_by_hand():
    signal = monoexponential(torch.tensor([200.0]), torch.tensor([0.1]), torch.tensor([0.0, 0.1, 0.2]))
    assert signal[:, 0].tolist() == pytest.approx([200.0, 73.5759, 27.0671], rel=1e-5)


@pytest.mark.parametrize("with_stderr", [False, True])
@pytest.mark.parametrize("n_echoes", [2, 3, 4])
def test_exact_decays(n_echoes, with_stderr):
    te = TE_S[:n_echoes].double()
    echoes = monoexponential(S0.double(), T2_S.double(), te)
    fit = fit_loglinear(echoes, te, stderr=torch.full_like(echoes, 2.0) if with_stderr else None)
    torch.testing.assert_close(fit.t2_s, T2_S, rtol=1e-5, atol=0)
    torch.testing.assert_close(fit.s0, S0, rtol=1e-5, atol=0)
    assert bool(fit.ok.all())
    assert float(fit.rmse.max()) < 1e-3
    assert bool(torch.isfinite(fit.t2_stderr_s).all()) is (with_stderr or n_echoes > 2)


def test_two_echoes_by_hand():
    """T2 = dTE / log(S1 / S2)."""
    fit = fit_loglinear(torch.tensor([[200.0], [100.0]]), torch.tensor([0.1, 0.2]))
    assert float(fit.t2_s) == pytest.approx(0.1 / 0.6931472, rel=1e-5)
    assert float(fit.s0) == pytest.approx(400.0, rel=1e-5)


def noisy(n: int = 200, noise: float = 10.0, seed: int = 0) -> torch.Tensor:
    echoes = monoexponential(torch.full((n,), 1000.0), torch.full((n,), 0.15), TE_S)
    return echoes + noise * torch.randn(echoes.shape, generator=torch.Generator().manual_seed(seed))


def test_gain_changes_s0_and_never_t2():
    echoes = noisy()
    one, other = fit_loglinear(echoes, TE_S), fit_loglinear(37.5 * echoes, TE_S)
    torch.testing.assert_close(one.t2_s, other.t2_s, rtol=1e-5, atol=0)
    torch.testing.assert_close(37.5 * one.s0, other.s0, rtol=1e-5, atol=0)
    torch.testing.assert_close(one.t2_stderr_s, other.t2_stderr_s, rtol=1e-4, atol=0)
    torch.testing.assert_close(37.5 * one.rmse, other.rmse, rtol=1e-4, atol=0)


def test_order_of_echoes_does_not_matter():
    echoes, order = noisy(), torch.tensor([2, 0, 3, 1])
    stderr = torch.rand(echoes.shape, generator=torch.Generator().manual_seed(1)) + 1
    one = fit_loglinear(echoes, TE_S, stderr=stderr)
    other = fit_loglinear(echoes[order], TE_S[order], stderr=stderr[order])
    for name in ("t2_s", "s0", "t2_stderr_s", "s0_stderr", "rmse"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=1e-5, atol=1e-7)


def test_any_shape_of_grid():
    echoes = noisy(24)
    flat = fit_loglinear(echoes, TE_S).t2_s
    torch.testing.assert_close(fit_loglinear(echoes.reshape(4, 2, 3, 4), TE_S).t2_s, flat.reshape(2, 3, 4))


@pytest.mark.parametrize(
    ("signal", "floor", "reason"),
    [
        ((100.0, 70.0, 50.0, 30.0), 0.0, T2Reason.OK),
        ((0.0, 0.0, 0.0, 0.0), 0.0, T2Reason.OUTSIDE),
        ((100.0, float("nan"), 50.0, 30.0), 0.0, T2Reason.OUTSIDE),
        ((100.0, 9.0, 8.0, 7.0), 10.0, T2Reason.TOO_FEW_ECHOES),
        ((100.0, -1.0, 0.0, -3.0), 0.0, T2Reason.NON_POSITIVE),
        ((-4.0, -1.0, -2.0, -3.0), 0.0, T2Reason.NON_POSITIVE),
        ((30.0, 50.0, 70.0, 100.0), 0.0, T2Reason.RISING),
        ((50.0, 50.0, 50.0, 50.0), 0.0, T2Reason.RISING),
        ((100.0, 99.9, 99.8, 99.7), 0.0, T2Reason.OUT_OF_RANGE),
        ((1e9, 1.0, 1e-8, 1e-12), 0.0, T2Reason.OUT_OF_RANGE),
    ],
)
def test_every_reason(signal, floor, reason):
    fit = fit_loglinear(torch.tensor(signal)[:, None], TE_S, floor=floor)
    assert T2Reason(int(fit.reason)) is reason
    assert bool(fit.ok) is (reason is T2Reason.OK)
    for value in (fit.t2_s, fit.s0, fit.t2_stderr_s, fit.rmse):
        assert bool(torch.isfinite(value)) is (reason is T2Reason.OK)


def test_echoes_at_the_floor_are_left_out():
    """A last echo lost in noise would make T2 long; the floor leaves it out."""
    echoes = monoexponential(torch.tensor([1000.0]), torch.tensor([0.05]), TE_S)
    echoes[2:] = 25.0
    assert float(fit_loglinear(echoes, TE_S, floor=26.0).t2_s) == pytest.approx(0.05, rel=1e-4)
    assert float(fit_loglinear(echoes, TE_S).t2_s) > 0.0501


@pytest.mark.parametrize("given", [True, False])
def test_standard_error_is_the_spread_over_repetitions(given):
    echoes = noisy(20000, noise=8.0)
    fit = fit_loglinear(echoes, TE_S, stderr=torch.full_like(echoes, 8.0) if given else None)
    for value, stderr in ((fit.t2_s, fit.t2_stderr_s), (fit.s0, fit.s0_stderr)):
        spread = float(value.double().std())
        assert float(stderr.double().square().mean().sqrt()) == pytest.approx(spread, rel=0.15)
    assert float(fit.t2_s.double().mean()) == pytest.approx(0.15, rel=0.01)


def test_weighting_beats_plain_least_squares_on_the_logarithm():
    echoes = noisy(5000, noise=20.0)
    weighted = fit_loglinear(echoes, TE_S).t2_s.double()
    plain = fit_loglinear(echoes, TE_S, stderr=echoes.abs()).t2_s.double()  # equal weights of the logarithm
    both = torch.isfinite(weighted) & torch.isfinite(plain)
    assert float((weighted[both] - 0.15).square().mean()) < 0.9 * float((plain[both] - 0.15).square().mean())


@pytest.mark.parametrize("te", [[0.1], [0.1, 0.1]])
def test_one_echo_time_is_no_decay(te):
    with pytest.raises(ValueError, match="two distinct echo times"):
        fit_loglinear(torch.ones(len(te), 3), torch.tensor(te))
