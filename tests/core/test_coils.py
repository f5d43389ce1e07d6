"""Coil maps, compression and whitening; one test on real k-space of eight coils."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fetalt2prep.core.coils import Sense, compress, espirit_maps, whiten, whitener
from fetalt2prep.core.fourier_op import MaskedFft, ifft2c
from fetalt2prep.core.kt.baselines import cg_sense
from fetalt2prep.sim.dynamic import CINE, MotionTrace, scene_image
from fetalt2prep.sim.dynamic_scan import coil_maps


@pytest.fixture(scope="module")
def coils() -> tuple[torch.Tensor, torch.Tensor]:
    """A still image (y, x) and true maps (coil, y, x)."""
    image = torch.from_numpy(scene_image(CINE, MotionTrace(), 0.0, 40)).to(torch.complex64)
    return image, coil_maps(40, 6, np.random.default_rng(0))


def test_espirit_finds_the_maps(coils: tuple[torch.Tensor, torch.Tensor]) -> None:
    image, true = coils
    found = espirit_maps(image * true)
    agreement = (found.conj() * true).sum(0).abs()[image.abs() > 0.1]
    assert float(agreement.min()) > 0.99
    assert torch.allclose(found.abs().square().sum(0)[image.abs() > 0.1], torch.ones(()), atol=1e-4)


def test_compression_keeps_the_signal_and_the_noise(coils: tuple[torch.Tensor, torch.Tensor]) -> None:
    image, true = coils
    samples = (image * true)[None].flatten(2)
    few = compress(samples, 4)
    assert float(few.norm() / samples.norm()) > 0.97
    noise = torch.randn(1, 6, 20_000, dtype=torch.complex64)
    covariance = torch.cov(compress(noise, 6)[0])
    assert torch.allclose(covariance, torch.eye(6, dtype=covariance.dtype), atol=0.05)
    with pytest.raises(ValueError, match="7 virtual coils"):
        compress(samples, 7)


def test_whitened_noise_is_white_and_as_strong() -> None:
    mixing = torch.randn(4, 4, dtype=torch.complex64, generator=torch.Generator().manual_seed(1))
    noise = mixing @ torch.randn(4, 50_000, dtype=torch.complex64, generator=torch.Generator().manual_seed(2))
    white = whiten(noise[None], whitener(noise))[0]
    covariance = white @ white.mH / white.shape[1]
    assert torch.allclose(
        covariance, covariance.diagonal().mean() * torch.eye(4), atol=1e-2 * float(covariance[0, 0].real)
    )
    assert float(white.abs().square().mean()) == pytest.approx(float(noise.abs().square().mean()), rel=1e-3)


def test_noise_that_cannot_be_whitened_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be inverted"):
        whitener(torch.ones(4, 100, dtype=torch.complex64))
    with pytest.raises(ValueError, match="noise has 3 coils, the samples 4"):
        whiten(torch.zeros(1, 4, 5, dtype=torch.complex64), torch.eye(3, dtype=torch.complex64))


def test_maps_of_real_coils_predict_lines_that_were_left_out(shared: Path) -> None:
    """Real k-space of 8 coils, about 8 times undersampled: CG-SENSE on half of the outer lines predicts the others."""
    kspace = torch.from_numpy(np.load(shared / "data" / "kspace-brain" / "cartesian_ksp.npy")).to(torch.complex64)
    kspace = kspace / kspace.abs().max()
    measured = kspace.abs().sum(0) > 0
    n_y, n_x = measured.shape
    centre = torch.zeros(n_y, n_x, dtype=torch.bool)
    centre[n_y // 2 - 10 : n_y // 2 + 10, n_x // 2 - 10 : n_x // 2 + 10] = True
    left_out = measured & ~centre & (torch.rand(n_y, n_x, generator=torch.Generator().manual_seed(0)) < 0.1)
    maps = espirit_maps(ifft2c(kspace * centre), 20)
    kept = (measured & ~left_out).float()[None]
    image = cg_sense(Sense(MaskedFft(kept), maps), (kspace * kept)[None], 0.01, 8)
    predicted = Sense(MaskedFft(left_out.float()[None]), maps).forward(image)[0]
    error = (predicted - kspace * left_out).norm() / (kspace * left_out).norm()
    assert float(error) < 0.9  # zero filling: 1
