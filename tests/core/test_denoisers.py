"""Laws that every denoiser of stacks obeys, and what each is worth."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fetalt2prep.core.denoise.nlm_rician import signal_of_mean
from fetalt2prep.core.denoise.options import DENOISERS, WITHOUT_FLOOR
from fetalt2prep.core.denoise.registry import REGISTRY
from fetalt2prep.core.likelihood import rician_mean

SIGMA = 8.0
ACTIVE = [name for name in REGISTRY if name != "none"]


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    """A disk of three levels; background 0; the second slice has lost its signal."""
    x, y = np.meshgrid(np.arange(48) - 24, np.arange(45) - 22, indexing="ij")
    radius = np.hypot(x, y)
    plane = np.select([radius < 6, radius < 11, radius < 17], [200.0, 120.0, 160.0], 0.0)
    return np.stack([plane, 0 * plane, plane], axis=2).astype(np.float32)


@pytest.fixture(scope="module")
def noisy(truth: np.ndarray) -> np.ndarray:
    """Rician magnitude with SIGMA in each part."""
    real, imag = np.random.default_rng(5).normal(0, SIGMA, (2, *truth.shape))
    return np.hypot(truth + real, imag).astype(np.float32)


def test_every_name_has_a_function_and_every_function_a_name() -> None:
    assert [*REGISTRY, "unet"] == list(DENOISERS)
    assert set(WITHOUT_FLOOR) <= set(DENOISERS)


@pytest.mark.parametrize("name", REGISTRY)
def test_a_constant_stays(name: str) -> None:
    """With noise to look for, and with none; a magnitude of which noise is a part loses that part."""
    flat = np.full((30, 31, 2), 137.0, np.float32)
    np.testing.assert_array_equal(REGISTRY[name](flat, 0.0, None), flat)
    kept = np.sqrt(137.0**2 - SIGMA**2) if name in WITHOUT_FLOOR else 137.0
    np.testing.assert_allclose(REGISTRY[name](flat, SIGMA, None), kept, rtol=1e-4)


@pytest.mark.parametrize("name", ACTIVE)
def test_scale_goes_through(name: str, noisy: np.ndarray, truth: np.ndarray) -> None:
    """Powers of two change no digit; any other factor only the last ones (near 0 the Rician mean has no slope)."""
    one = REGISTRY[name](noisy, SIGMA, truth > 0)
    np.testing.assert_array_equal(REGISTRY[name](noisy * np.float32(4), 4 * SIGMA, truth > 0), one * np.float32(4))
    np.testing.assert_allclose(
        REGISTRY[name](noisy * np.float32(3.7), 3.7 * SIGMA, truth > 0), 3.7 * one, rtol=1e-3, atol=0.1
    )


@pytest.mark.parametrize("name", ACTIVE)
def test_slices_without_signal_stay_without_and_change_no_other(name: str, noisy: np.ndarray) -> None:
    lost = noisy.copy()
    lost[:, :, 1] = 0
    found = REGISTRY[name](lost, SIGMA, None)
    np.testing.assert_array_equal(found[:, :, 1], 0)
    np.testing.assert_array_equal(found[:, :, [0]], REGISTRY[name](noisy[:, :, [0]], SIGMA, None))


@pytest.mark.parametrize("name", ACTIVE)
@pytest.mark.parametrize("outside", [0.0, 400.0])
def test_what_lies_outside_the_mask_does_not_come_in(
    name: str, outside: float, noisy: np.ndarray, truth: np.ndarray
) -> None:
    """The pixels along the border of the mask keep their mean to within a third of the noise, dark or bright beside."""
    from scipy.ndimage import binary_erosion

    mask = truth > 0
    mask[:, :, 1] = False
    beside = np.where(mask, noisy, noisy * 0 + outside).astype(np.float32)
    rim = mask & ~binary_erosion(mask, np.ones((3, 3, 1)))
    change = REGISTRY[name](beside, SIGMA, mask)[rim].mean() - beside[rim].mean()
    assert abs(change) < SIGMA / 3
    assert np.array_equal(REGISTRY[name](beside, SIGMA, mask)[:, :, 1], beside[:, :, 1])


@pytest.mark.parametrize("name", ACTIVE)
def test_the_means_of_regions_stay(name: str, noisy: np.ndarray, truth: np.ndarray) -> None:
    """To 1.5 %; total variation takes contrast off disks of six pixels, to 3 %."""
    after = REGISTRY[name](noisy, SIGMA, truth > 0)
    for level in (120, 160, 200):
        region = truth == level
        assert after[region].mean() == pytest.approx(noisy[region].mean(), rel=0.03 if name == "tv" else 0.015)


@pytest.mark.parametrize(("name", "left"), [("nlm", 0.65), ("nlm-rician", 0.65), ("tv", 0.6), ("wavelet", 0.75)])
def test_it_is_worth_it(name: str, left: float, noisy: np.ndarray, truth: np.ndarray) -> None:
    """Error inside over that of the noisy image, and less than the best Gaussian filter leaves."""
    from scipy.ndimage import gaussian_filter

    mask = truth > 0

    def rmse(image: np.ndarray) -> float:
        return float(np.sqrt(np.mean((image - truth)[mask] ** 2)))

    denoised = rmse(REGISTRY[name](noisy, SIGMA, mask))
    assert denoised < left * rmse(noisy)
    assert denoised < min(rmse(gaussian_filter(noisy, (s, s, 0))) for s in (0.4, 0.5, 0.6, 0.8, 1.0, 1.5))


def test_signal_of_a_rician_mean_is_that_signal() -> None:
    signal = np.array([0.0, 0.5, 1.0, 3.0, 10.0, 19.0, 30.0, 300.0])
    mean = rician_mean(torch.from_numpy(signal), 1.0).numpy()
    np.testing.assert_allclose(signal_of_mean(7.0 * mean, 7.0), 7.0 * signal, atol=0.04, rtol=1e-4)
    assert signal_of_mean(np.array([0.9]), 1.0) == 0  # below the mean of noise alone, 1.25


def test_dark_regions_lose_their_noise_floor_with_the_rician_variant_only() -> None:
    """A signal as strong as the noise: its magnitude is 1.55 times as bright on average."""
    rng = np.random.default_rng(0)
    real, imag = rng.normal(0, SIGMA, (2, 60, 60, 1))
    dark = np.hypot(SIGMA + real, imag).astype(np.float32)
    assert REGISTRY["nlm"](dark, SIGMA, None).mean() == pytest.approx(1.55 * SIGMA, rel=0.05)
    assert REGISTRY["nlm-rician"](dark, SIGMA, None).mean() == pytest.approx(SIGMA, rel=0.1)
