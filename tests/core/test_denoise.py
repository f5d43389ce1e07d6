from __future__ import annotations

import numpy as np
import pytest

from fetalt2prep.core.denoise.nlm import denoise_nlm
from fetalt2prep.core.denoise.noise import estimate_noise_sigma
from fetalt2prep.core.denoise.slicewise import MARGIN_PIXELS

SIGMA = 8.0


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    """Rings of 200 and 120 in a disk of 160; background 0."""
    x, y = np.meshgrid(np.arange(64) - 32, np.arange(60) - 30, indexing="ij")
    radius = np.hypot(x, y)
    plane = np.select([radius < 8, radius < 14, radius < 22], [200.0, 120.0, 160.0], 0.0)
    return np.repeat(plane[:, :, None], 3, axis=2).astype(np.float32)


@pytest.fixture(scope="module")
def noisy(truth: np.ndarray) -> np.ndarray:
    """Rician magnitude with SIGMA per channel."""
    rng = np.random.default_rng(5)
    real, imag = rng.normal(0, SIGMA, (2, *truth.shape))
    return np.hypot(truth + real, imag).astype(np.float32)


def test_sigma_is_found_in_spite_of_edges(noisy: np.ndarray, truth: np.ndarray) -> None:
    assert estimate_noise_sigma(noisy, truth > 0) == pytest.approx(SIGMA, rel=0.1)
    assert estimate_noise_sigma(noisy) == pytest.approx(SIGMA, rel=0.1)


def test_sigma_of_smooth_images_is_zero() -> None:
    x, y = np.meshgrid(np.arange(20.0), np.arange(20.0), indexing="ij")
    ramp = np.repeat((3 * x + 2 * y + 50)[:, :, None], 2, axis=2).astype(np.float32)
    inner = np.zeros(ramp.shape, bool)
    inner[1:-1, 1:-1] = True
    assert estimate_noise_sigma(ramp, inner) == pytest.approx(0, abs=1e-9)


def test_sigma_by_hand() -> None:
    """One pixel of 6 answers 4 x 6 at itself; judged there alone: 1.4826 * 24 / 6."""
    pixels = np.zeros((5, 5, 1), np.float32)
    pixels[2, 2] = 6
    here = pixels > 0
    assert estimate_noise_sigma(pixels, here) == pytest.approx(1.4826 * 4)


@pytest.mark.parametrize("shape", [(2, 9, 3), (9, 9, 1)])
def test_nothing_to_judge_from_gives_zero(shape: tuple[int, ...]) -> None:
    assert estimate_noise_sigma(np.zeros(shape, np.float32), np.zeros(shape, bool)) == 0.0


@pytest.mark.parametrize("factor", [0.125, 4.0, 1024.0])
def test_scale_goes_through_untouched(noisy: np.ndarray, truth: np.ndarray, factor: float) -> None:
    """Powers of two change no digit, so equality is exact."""
    mask = truth > 0
    sigma = estimate_noise_sigma(noisy, mask)
    scaled = noisy * np.float32(factor)
    assert estimate_noise_sigma(scaled, mask) == sigma * factor
    np.testing.assert_array_equal(
        denoise_nlm(scaled, sigma * factor, mask), denoise_nlm(noisy, sigma, mask) * np.float32(factor)
    )


def test_any_factor_goes_through(noisy: np.ndarray) -> None:
    one = denoise_nlm(noisy, SIGMA)
    np.testing.assert_allclose(denoise_nlm(noisy * np.float32(3.7), 3.7 * SIGMA), 3.7 * one, rtol=1e-4)


def test_mean_in_the_mask_stays(noisy: np.ndarray, truth: np.ndarray) -> None:
    mask = truth > 0
    after = denoise_nlm(noisy, estimate_noise_sigma(noisy, mask), mask)
    assert after[mask].mean() == pytest.approx(noisy[mask].mean(), rel=0.005)
    for level in (120, 160, 200):
        region = truth == level
        assert after[region].mean() == pytest.approx(noisy[region].mean(), rel=0.01)


def test_it_is_worth_it(noisy: np.ndarray, truth: np.ndarray) -> None:
    """Less than half of the error, and better than a Gaussian filter of any width."""
    from scipy.ndimage import gaussian_filter

    mask = truth > 0

    def rmse(image: np.ndarray) -> float:
        return float(np.sqrt(np.mean((image - truth)[mask] ** 2)))

    denoised = rmse(denoise_nlm(noisy, estimate_noise_sigma(noisy, mask), mask))
    assert denoised < 0.5 * rmse(noisy)
    assert denoised < 0.75 * min(rmse(gaussian_filter(noisy, (s, s, 0))) for s in (0.4, 0.5, 0.6, 0.8, 1.0, 1.5))


def test_slices_do_not_see_each_other(noisy: np.ndarray) -> None:
    alone = denoise_nlm(noisy[:, :, :1], SIGMA)
    other = noisy.copy()
    other[:, :, 1:] = 0
    np.testing.assert_array_equal(denoise_nlm(other, SIGMA)[:, :, :1], alone)


def test_inside_the_mask_the_box_changes_nothing(noisy: np.ndarray) -> None:
    mask = np.zeros(noisy.shape, bool)
    mask[28:36, 26:34, 1] = True
    boxed, whole = denoise_nlm(noisy, SIGMA, mask), denoise_nlm(noisy, SIGMA)
    np.testing.assert_allclose(boxed[mask], whole[mask], rtol=1e-5)
    np.testing.assert_array_equal(boxed[:, :, [0, 2]], noisy[:, :, [0, 2]])
    outside = np.ones(noisy.shape[:2], bool)
    outside[28 - MARGIN_PIXELS : 36 + MARGIN_PIXELS, 26 - MARGIN_PIXELS : 34 + MARGIN_PIXELS] = False
    np.testing.assert_array_equal(boxed[outside], noisy[outside])


def test_without_noise_nothing_happens(truth: np.ndarray) -> None:
    np.testing.assert_array_equal(denoise_nlm(truth, 0.0), truth)
