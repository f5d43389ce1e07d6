from __future__ import annotations

import numpy as np
import pytest

from fetalt2prep.core.denoise.mppca import LEAST_VOLUMES, denoise_mppca

SIGMA = 5.0
SHAPE = (22, 19, 2, 30)


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    """Three patterns in space, each with its own course in time."""
    rng = np.random.default_rng(1)
    maps = rng.uniform(50, 150, (*SHAPE[:3], 3))
    courses = np.stack([np.ones(30), np.sin(np.arange(30)), np.exp(-np.arange(30) / 9)])
    return (maps @ courses).astype(np.float32)


@pytest.fixture(scope="module")
def noisy(truth: np.ndarray) -> np.ndarray:
    return (truth + np.random.default_rng(2).normal(0, SIGMA, SHAPE)).astype(np.float32)


def test_what_noise_alone_would_not_have_is_kept(noisy: np.ndarray, truth: np.ndarray) -> None:
    """Three of 30 components hold the signal: most of the noise goes, and its size is found."""
    denoised, sigma = denoise_mppca(noisy)
    assert (denoised - truth).std() < 0.55 * SIGMA
    assert abs((denoised - truth).mean()) < 0.1
    assert sigma.mean() == pytest.approx(SIGMA, rel=0.05)


def test_scale_goes_through(noisy: np.ndarray) -> None:
    one, sigma = denoise_mppca(noisy)
    other, other_sigma = denoise_mppca(noisy * np.float32(8))
    np.testing.assert_allclose(other, 8 * one, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(other_sigma, 8 * sigma, rtol=1e-5)


def test_a_constant_and_a_series_without_noise_stay(truth: np.ndarray) -> None:
    flat = np.full(SHAPE, 137.0, np.float32)
    np.testing.assert_allclose(denoise_mppca(flat)[0], flat, rtol=1e-5)
    np.testing.assert_allclose(denoise_mppca(truth)[0], truth, atol=0.01)


def test_a_volume_without_signal_stays_without(noisy: np.ndarray) -> None:
    lost = noisy.copy()
    lost[:, :, 0, 11] = 0
    denoised, _ = denoise_mppca(lost)
    assert np.abs(denoised[:, :, 0, 11]).mean() < SIGMA
    np.testing.assert_allclose(denoised[:, :, 1], denoise_mppca(noisy)[0][:, :, 1], rtol=1e-6)


def test_patches_away_from_the_mask_are_left_alone(noisy: np.ndarray) -> None:
    mask = np.zeros(SHAPE[:3], bool)
    mask[3:6, 3:6, 0] = True
    denoised, sigma = denoise_mppca(noisy, mask)
    assert (denoised[mask] != noisy[mask]).all()
    assert (sigma[mask] > 0).all()
    np.testing.assert_array_equal(denoised[:, :, 1], noisy[:, :, 1])
    np.testing.assert_array_equal(denoised[14:, :, 0], noisy[14:, :, 0])


@pytest.mark.parametrize("shape", [(20, 20, 2, LEAST_VOLUMES - 1), (20, 20, 30), (4, 20, 1, 30)])
def test_what_is_no_long_series_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="The series has"):
        denoise_mppca(np.ones(shape, np.float32))
