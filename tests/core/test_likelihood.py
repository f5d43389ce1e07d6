"""Normal and Rician noise: derivatives, Fisher's information, expected magnitude."""

from __future__ import annotations

import pytest
import torch

from fetalt2prep.core.likelihood import gaussian, rician, rician_information, rician_mean


@pytest.mark.parametrize("terms", [gaussian, rician])
def test_the_score_is_the_derivative_of_the_loss(terms) -> None:  # type: ignore[no-untyped-def]
    signal = torch.linspace(0.1, 9.0, 60, dtype=torch.float64, requires_grad=True)
    measured, weight = torch.full((60,), 3.0).double(), torch.full((60,), 0.7).double()
    loss, score, _ = terms(signal, measured, weight)
    (expected,) = torch.autograd.grad(loss.sum(), signal)
    torch.testing.assert_close(score.detach(), expected, rtol=1e-6, atol=1e-9)


def test_a_measurement_without_weight_says_nothing() -> None:
    one, none = torch.ones(1).double(), torch.zeros(1).double()
    for terms in (gaussian, rician):
        assert [float(value) for value in terms(one, 3 * one, none)] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("snr", [0.0, 0.5, 1.0, 2.0, 5.0, 11.9, 12.1, 40.0])
def test_information_is_the_variance_of_the_score(snr: float) -> None:
    """Over magnitudes drawn at random."""
    noise = torch.randn((2, 400_000), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    measured = torch.hypot(snr + noise[0], noise[1])
    score = rician(torch.full_like(measured, snr), measured, torch.ones_like(measured))[1]
    found = float(rician_information(torch.tensor([snr], dtype=torch.float64)))
    assert found == pytest.approx(float(score.square().mean()), rel=0.01, abs=1e-3)


@pytest.mark.parametrize("signal", [0.0, 1.0, 3.0, 20.0])
def test_expected_magnitude(signal: float) -> None:
    noise = 2.0 * torch.randn((2, 400_000), generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    drawn = float(torch.hypot(signal + noise[0], noise[1]).mean())
    assert float(rician_mean(torch.tensor([signal]).double(), 2.0)) == pytest.approx(drawn, rel=0.005)


@pytest.mark.parametrize("terms", [gaussian, rician])
def test_the_curvature_is_the_derivative_of_the_score(terms) -> None:  # type: ignore[no-untyped-def]
    signal = torch.linspace(0.1, 9.0, 60, dtype=torch.float64, requires_grad=True)
    measured, weight = torch.full((60,), 3.0).double(), torch.full((60,), 0.7).double()
    step = 1e-5
    rise = terms(signal + step, measured, weight)[1] - terms(signal - step, measured, weight)[1]
    torch.testing.assert_close(terms(signal, measured, weight)[2], rise / (2 * step), rtol=1e-4, atol=1e-6)
