"""Fourier operators: adjoint pairing, agreement with the FFT and with the sum that defines them, density."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fetalt2prep.core.coils import Sense
from fetalt2prep.core.fourier_op import MaskedFft, Nufft, fft2c, ifft2c
from fetalt2prep.core.kt.trajectory import golden_angle_spokes, radial_acceleration
from fetalt2prep.core.operator import adjoint_mismatch, apply

SHAPE = (24, 30)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


def scattered(n_frames: int = 2, n_samples: int = 70) -> torch.Tensor:
    return torch.rand(n_frames, n_samples, 2, generator=torch.Generator().manual_seed(3)) - 0.5


@pytest.fixture(scope="module")
def nufft() -> Nufft:
    return Nufft(scattered(), SHAPE)


def test_nufft_adjoint(nufft: Nufft) -> None:
    assert adjoint_mismatch(nufft, random(2, 3, *SHAPE), random(2, 3, 70, seed=1)) < 1e-5


def test_masked_fft_adjoint() -> None:
    mask = (torch.rand(2, *SHAPE) < 0.4).float()
    assert adjoint_mismatch(MaskedFft(mask), random(2, 3, *SHAPE), random(2, 3, *SHAPE, seed=1)) < 1e-5


@pytest.mark.parametrize("kind", ["nufft", "cartesian"])
def test_sense_adjoint_with_frames_selected(kind: str, nufft: Nufft) -> None:
    fourier = nufft if kind == "nufft" else MaskedFft((torch.rand(2, *SHAPE) < 0.4).float())
    sense = Sense(fourier, random(3, *SHAPE)).select(torch.tensor([1]))
    x = random(1, *SHAPE, seed=5)
    y = random(*sense.forward(x).shape, seed=6)
    assert adjoint_mismatch(sense, x, y) < 1e-5


def test_dot_product_test_sees_a_missing_conjugate(nufft: Nufft) -> None:
    class Wrong(Sense):
        def adjoint(self, y: torch.Tensor) -> torch.Tensor:
            return (self.fourier.adjoint(y) * self.maps).sum(1)

    x, y = random(2, *SHAPE), random(2, 3, 70, seed=1)
    assert adjoint_mismatch(Wrong(nufft, random(3, *SHAPE)), x, y) > 1e-2


def test_centred_fft_is_orthonormal_and_has_the_centre_in_the_middle() -> None:
    x = random(1, 1, *SHAPE)
    assert torch.allclose(ifft2c(fft2c(x)), x, atol=1e-5)
    flat = fft2c(torch.ones(1, 1, *SHAPE, dtype=torch.complex64))[0, 0]
    assert abs(flat[12, 15]) == pytest.approx(math.sqrt(24 * 30), rel=1e-5)


def test_nufft_equals_fft_on_the_cartesian_grid() -> None:
    axes = [(torch.arange(n) - n // 2) / n for n in SHAPE]
    k = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(1, -1, 2)
    x = random(1, 3, *SHAPE)
    expected = fft2c(x).reshape(1, 3, -1)
    assert float((Nufft(k, SHAPE).forward(x) - expected).norm() / expected.norm()) < 1e-5


def test_nufft_equals_the_sum_it_stands_for(nufft: Nufft) -> None:
    axes = [torch.arange(n) - n // 2 for n in SHAPE]
    at = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2).double()
    waves = torch.exp(-2j * math.pi * (scattered().double() @ at.T)) / math.sqrt(24 * 30)
    x = random(2, 3, *SHAPE)
    expected = torch.einsum("tmn,tcn->tcm", waves, x.reshape(2, 3, -1).to(torch.complex128))
    assert float((nufft.forward(x) - expected).norm() / expected.norm()) < 1e-5


def test_density_of_spokes_grows_as_the_radius() -> None:
    """Of as many spokes as an image takes the weights are the ramp |k|; close to the centre they level off."""
    k = golden_angle_spokes(55, 32).reshape(1, -1, 2)
    weight = Nufft(k, (32, 32)).density[0, 0].reshape(55, 64).mean(0)
    radius = (torch.arange(64) - 32).abs().float()
    inside = (radius > 4) & (radius < 26)
    assert float(torch.corrcoef(torch.stack((weight, radius))[:, inside])[0, 1]) > 0.95


def test_gradient_goes_through_the_adjoint(nufft: Nufft) -> None:
    x = random(2, 1, *SHAPE).requires_grad_()
    y = random(2, 1, 70, seed=2)
    (0.5 * (apply(nufft, x) - y).abs().square().sum()).backward()
    assert x.grad is not None
    assert torch.allclose(x.grad, nufft.adjoint(nufft.forward(x.detach()) - y), atol=1e-4)


def test_frequencies_of_another_unit_are_refused() -> None:
    with pytest.raises(ValueError, match="cycle per pixel"):
        Nufft(scattered() * 2 * np.pi, SHAPE)


def test_accelerations_are_those_of_the_paper() -> None:
    """208 pixels, 34, 21, 13 and 8 spokes: 9.6, 15.6, 25.1 and 40.8 times (doi:10.1109/TMI.2025.3526452)."""
    found = [round(radial_acceleration(208, n), 1) for n in (34, 21, 13, 8)]
    assert found == [9.6, 15.6, 25.1, 40.8]


@pytest.mark.gpu
def test_nufft_on_the_device(device: str, nufft: Nufft) -> None:
    x = random(2, 3, *SHAPE)
    there = Nufft(scattered().to(device), SHAPE).forward(x.to(device)).cpu()
    assert torch.allclose(there, nufft.forward(x), atol=1e-4)
