"""Data consistency: the closed form, its limits, and the way through magnitudes."""

from __future__ import annotations

import pytest
import torch

from fetalt2prep.core.coils import Sense
from fetalt2prep.core.fourier_op import MaskedFft
from fetalt2prep.core.sense.consistency import DataConsistency, MagnitudeConsistency

SHAPE, N_COILS = (5, 4), 3


def draw(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def tiny() -> tuple[Sense, torch.Tensor, torch.Tensor]:
    """Operator of 3 coils and every other line and the centre, samples that no image explains, an estimate."""
    maps = draw((N_COILS, *SHAPE), 0)
    mask = torch.zeros(1, *SHAPE, dtype=torch.float64)
    mask[:, [0, 2, 4]] = 1
    sense = Sense(MaskedFft(mask), maps / torch.linalg.vector_norm(maps, dim=0))
    return sense, draw((1, N_COILS, *SHAPE), 1) * mask, draw((1, *SHAPE), 2)


def dense(sense: Sense) -> torch.Tensor:
    """The operator as a matrix (sample, pixel), column by column."""
    pixels = torch.eye(SHAPE[0] * SHAPE[1], dtype=torch.complex128).reshape(-1, *SHAPE)
    return torch.stack([sense.forward(pixel[None]).flatten() for pixel in pixels], 1)


@pytest.mark.parametrize("weight", [0.05, 1.0])
def test_it_is_the_closed_form(tiny: tuple[Sense, torch.Tensor, torch.Tensor], weight: float) -> None:
    sense, samples, estimate = tiny
    a, identity = dense(sense), torch.eye(SHAPE[0] * SHAPE[1], dtype=torch.complex128)
    expected = torch.linalg.solve(a.mH @ a + weight * identity, a.mH @ samples.flatten() + weight * estimate.flatten())
    found = DataConsistency(sense, samples, weight, n_steps=40)(estimate).flatten()
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-9)
    ten = DataConsistency(sense, samples, weight)(estimate).flatten()  # the published number of steps
    assert float((ten - expected).norm() / expected.norm()) < (1e-3 if weight == 0.05 else 1e-7)


def test_the_residual_falls_to_that_of_least_squares(tiny: tuple[Sense, torch.Tensor, torch.Tensor]) -> None:
    sense, samples, estimate = tiny
    residuals = []
    for weight in (10.0, 1.0, 0.1, 0.01, 1e-6):
        solve = DataConsistency(sense, samples, weight, n_steps=60)
        residuals.append(solve.residual(solve(estimate)))
    assert residuals == sorted(residuals, reverse=True)
    a = dense(sense)
    best = a @ torch.linalg.lstsq(a, samples.flatten(), driver="gelsd").solution - samples.flatten()
    assert residuals[-1] == pytest.approx(float(best.norm() / samples.norm()), rel=1e-3)
    assert residuals[0] > 1.05 * residuals[-1]


def test_what_agrees_already_stays(tiny: tuple[Sense, torch.Tensor, torch.Tensor]) -> None:
    sense, _, estimate = tiny
    torch.testing.assert_close(DataConsistency(sense, sense.forward(estimate))(estimate), estimate)


def test_it_scales_with_its_inputs(tiny: tuple[Sense, torch.Tensor, torch.Tensor]) -> None:
    sense, samples, estimate = tiny
    one = DataConsistency(sense, samples, 0.3)(estimate)
    torch.testing.assert_close(DataConsistency(sense, 1e-3 * samples, 0.3)(1e-3 * estimate), 1e-3 * one)


def test_without_weight_there_is_no_answer(tiny: tuple[Sense, torch.Tensor, torch.Tensor]) -> None:
    sense, samples, _ = tiny
    with pytest.raises(ValueError, match=r"weight of the estimate is 0; it must be above 0"):
        DataConsistency(sense, samples, 0)


def test_magnitudes_take_the_phase_with_them(tiny: tuple[Sense, torch.Tensor, torch.Tensor]) -> None:
    """The true magnitude and phase come back; of another image comes what lies along that phase, never below 0."""
    sense, _, image = tiny
    phase = torch.sgn(image[0])
    tie = MagnitudeConsistency(DataConsistency(sense, sense.forward(image)), phase)
    magnitude = image[0].abs().T[None, None]
    torch.testing.assert_close(tie(magnitude), magnitude)
    turned = MagnitudeConsistency(DataConsistency(sense, sense.forward(-image), 1e-3), phase)
    found = turned(magnitude)
    assert found.shape == magnitude.shape
    assert float(found.min()) == 0
