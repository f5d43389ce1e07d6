"""Extended phase graphs: two closed forms, the known bias of T2, batching, gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fetalt2prep.core.epg import echo_train, refocusing_train

ECHO_TIMES_S = {"fetal 0.55 T": (0.300, 0.395, 0.600), "fetal 1.5 T": (0.220, 0.500, 0.690)}


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def constant(n: int, degrees: float) -> torch.Tensor:
    return torch.full((n,), math.radians(degrees), dtype=torch.float64)


def lukzen(n: int, degrees: float, spacing_s: float, t1_s: float, t2_s: float) -> np.ndarray:
    """Echoes 1 to n from the generating function of Lukzen and Savelov 2007, doi:10.1016/j.jmr.2006.11.010.

    The amplitude of echo n is the coefficient of ``x^n`` in
    ``1/2 [1 + sqrt((1 + x k2)(1 - x (k1 + k2) c + x^2 k1 k2) / ((-1 + x k2)(-1 + x (k1 - k2) c + x^2 k1 k2)))]``,
    found here by a Fourier sum over a circle inside the radius of convergence.
    """
    k1, k2, c = math.exp(-spacing_s / t1_s), math.exp(-spacing_s / t2_s), math.cos(math.radians(degrees))
    n_points, radius = 4096, 0.99
    x = radius * np.exp(2j * np.pi * np.arange(n_points) / n_points)
    numerator = np.sqrt((1 + x * k2) * (1 - x * (k1 + k2) * c + x**2 * k1 * k2) + 0j)
    denominator = np.sqrt((-1 + x * k2) * (-1 + x * (k1 - k2) * c + x**2 * k1 * k2) + 0j)
    ratio = numerator / denominator
    for i in range(1, n_points):  # follow one branch of the root around the circle
        if abs(ratio[i] - ratio[i - 1]) > abs(ratio[i] + ratio[i - 1]):
            ratio[i] = -ratio[i]
    ratio *= np.sign(ratio[0].real)
    coefficients = np.fft.fft(0.5 * (1 + ratio)).real / n_points / radius ** np.arange(n_points)
    return np.asarray(coefficients[1 : n + 1])


def apparent_t2(te_s: tuple[float, ...], degrees: float, t2_s: float, b1: float = 1.0, t1_s: float = 2.7) -> float:
    """Log-linear T2 of a train of 5 ms spacing, sampled at some echo times."""
    index = [round(te / 0.005) for te in te_s]
    train = echo_train(
        tensor(t1_s), tensor(t2_s), 0.005, refocusing_train(max(index), math.radians(degrees)), b1=tensor(b1)
    )
    signal = [float(train[i - 1, 0]) for i in index]
    return float(-1 / np.polyfit(te_s, np.log(signal), 1)[0])


def test_a_train_of_half_turns_decays_with_t2_alone() -> None:
    t2_s = tensor(0.05, 0.25, 2.0)
    train = echo_train(tensor(0.5, 2.0, 4.0), t2_s, 0.01, constant(60, 180.0))
    time_s = 0.01 * torch.arange(1, 61, dtype=torch.float64)
    assert torch.allclose(train, torch.exp(-time_s[:, None] / t2_s), rtol=1e-12)


@pytest.mark.parametrize("degrees", [60.0, 90.0, 120.0, 150.0, 175.0])
def test_any_constant_angle_agrees_with_the_generating_function(degrees: float) -> None:
    ours = echo_train(tensor(0.9), tensor(0.12), 0.01, constant(40, degrees))[:, 0].numpy()
    assert np.allclose(ours, lukzen(40, degrees, 0.01, 0.9, 0.12), atol=1e-9)


def test_first_two_echoes_by_hand() -> None:
    """Without relaxation: ``sin^2(a/2)``, then the spin echo of the echo plus the stimulated echo."""
    forever = tensor(1e9)
    a = math.radians(110.0)
    first, second = echo_train(forever, forever, 0.01, constant(2, 110.0))[:, 0].tolist()
    assert first == pytest.approx(math.sin(a / 2) ** 2)
    assert second == pytest.approx(math.sin(a / 2) ** 4 + 0.5 * math.sin(a) ** 2)


@pytest.mark.parametrize("te_s", ECHO_TIMES_S.values(), ids=list(ECHO_TIMES_S))
@pytest.mark.parametrize("t2_s", [0.232, 0.339])
def test_mono_exponential_fit_of_a_train_has_the_known_bias(te_s: tuple[float, ...], t2_s: float) -> None:
    def bias(degrees: float, b1: float = 1.0) -> float:
        return apparent_t2(te_s, degrees, t2_s, b1) / t2_s - 1

    assert bias(180.0) == pytest.approx(0.0, abs=1e-9)
    assert 0.010 < bias(160.0) < 0.016
    assert 0.065 < bias(135.0) < 0.085
    assert 0.085 < bias(160.0, b1=0.8) < 0.125


def test_batches_are_independent_and_broadcast() -> None:
    t1_s, t2_s, b1 = tensor(1.0, 3.0)[:, None], tensor(0.1, 0.2, 0.4)[None], tensor(0.9)
    angles = refocusing_train(25, math.radians(150))
    together = echo_train(t1_s, t2_s, 0.006, angles, b1=b1)
    assert together.shape == (25, 2, 3)
    alone = echo_train(tensor(3.0), tensor(0.2), 0.006, angles, b1=b1)
    assert torch.allclose(together[:, 1, 1], alone[:, 0], rtol=1e-13)


def test_orders_that_are_not_followed_do_not_matter() -> None:
    """A longer train starts with the echoes of the shorter one, though the shorter one follows fewer orders."""
    long = echo_train(tensor(1.0), tensor(0.2), 0.005, constant(61, 100.0))
    for n in (1, 2, 7, 30):
        assert torch.allclose(echo_train(tensor(1.0), tensor(0.2), 0.005, constant(n, 100.0)), long[:n], rtol=1e-13)


def test_echoes_have_the_gradient_of_finite_differences() -> None:
    t2_s, b1 = tensor(0.15, 0.3).requires_grad_(), tensor(0.9, 1.1).requires_grad_()
    angles = constant(9, 140.0)
    assert torch.autograd.gradcheck(lambda t, b: echo_train(tensor(2.0), t, 0.01, angles, b1=b), (t2_s, b1))


def test_single_precision_is_kept_and_close() -> None:
    angles = refocusing_train(120, math.radians(150))
    double = echo_train(tensor(2.0), tensor(0.25), 0.005, angles)
    single = echo_train(tensor(2.0).float(), tensor(0.25).float(), 0.005, angles)
    assert single.dtype == torch.float32
    assert torch.allclose(single.double(), double, rtol=1e-3, atol=1e-6)


def test_impossible_trains_are_refused() -> None:
    with pytest.raises(ValueError, match="one angle per echo"):
        echo_train(tensor(1.0), tensor(0.1), 0.005, torch.empty(0))
    with pytest.raises(ValueError, match="echo spacing is 0"):
        echo_train(tensor(1.0), tensor(0.1), 0.0, constant(3, 180.0))


def test_an_accelerator_gives_the_same_train(device: str) -> None:
    t1_s, t2_s, angles = tensor(2.0, 3.0), tensor(0.2, 0.3), refocusing_train(80, math.radians(150))
    here = echo_train(t1_s, t2_s, 0.005, angles)
    there = echo_train(t1_s.to(device), t2_s.to(device), 0.005, angles)
    assert torch.allclose(there.cpu(), here, rtol=1e-10)
