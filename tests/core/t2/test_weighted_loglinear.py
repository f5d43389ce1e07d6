"""Log-linear T2, weighted by the signal."""

from __future__ import annotations

import pytest
import torch

from fetalt2prep.core.signal import monoexponential
from fetalt2prep.core.t2.loglinear import fit_loglinear
from fetalt2prep.core.t2.weighted_loglinear import fit_weighted_loglinear

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
    fit = fit_weighted_loglinear(echoes, te, stderr=torch.full_like(echoes, 2.0) if with_stderr else None)
    torch.testing.assert_close(fit.t2_s, T2_S, rtol=1e-5, atol=0)
    torch.testing.assert_close(fit.s0, S0, rtol=1e-5, atol=0)
    assert bool(fit.ok.all())
    assert float(fit.rmse.max()) < 1e-3
    assert bool(torch.isfinite(fit.t2_stderr_s).all()) is (with_stderr or n_echoes > 2)


def test_two_echoes_by_hand():
    """T2 = dTE / log(S1 / S2)."""
    fit = fit_weighted_loglinear(torch.tensor([[200.0], [100.0]]), torch.tensor([0.1, 0.2]))
    assert float(fit.t2_s) == pytest.approx(0.1 / 0.6931472, rel=1e-5)
    assert float(fit.s0) == pytest.approx(400.0, rel=1e-5)


def noisy(n: int = 200, noise: float = 10.0, seed: int = 0) -> torch.Tensor:
    echoes = monoexponential(torch.full((n,), 1000.0), torch.full((n,), 0.15), TE_S)
    return echoes + noise * torch.randn(echoes.shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("given", [True, False])
def test_standard_error_is_the_spread_over_repetitions(given):
    echoes = noisy(20000, noise=8.0)
    fit = fit_weighted_loglinear(echoes, TE_S, stderr=torch.full_like(echoes, 8.0) if given else None)
    for value, stderr in ((fit.t2_s, fit.t2_stderr_s), (fit.s0, fit.s0_stderr)):
        spread = float(value.double().std())
        assert float(stderr.double().square().mean().sqrt()) == pytest.approx(spread, rel=0.15)
    assert float(fit.t2_s.double().mean()) == pytest.approx(0.15, rel=0.01)


def test_weighting_beats_plain_least_squares_on_the_logarithm():
    echoes = noisy(5000, noise=20.0)
    weighted = fit_weighted_loglinear(echoes, TE_S).t2_s.double()
    plain = fit_loglinear(echoes, TE_S).t2_s.double()
    both = torch.isfinite(weighted) & torch.isfinite(plain)
    assert float((weighted[both] - 0.15).square().mean()) < 0.9 * float((plain[both] - 0.15).square().mean())
