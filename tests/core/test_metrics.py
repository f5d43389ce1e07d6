"""Image and T2 errors against values computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fetalt2prep.core.metrics import best_scale, hfen, log_kernel, nrmse, psnr, ssim, t2_error


def test_psnr_and_nrmse_of_a_constant_offset_are_what_a_reader_computes() -> None:
    reference = np.full((4, 4, 4), 100.0)
    image = reference + 10.0
    assert psnr(reference, image) == pytest.approx(20.0)  # 10 log10(100^2 / 10^2)
    assert psnr(reference, image, data_range=1000.0) == pytest.approx(40.0)
    assert nrmse(reference, image) == pytest.approx(0.1)
    assert psnr(reference, reference) == math.inf


def test_best_scale_undoes_a_gain() -> None:
    reference = np.random.default_rng(0).uniform(1, 2, (5, 6, 7))
    assert best_scale(reference, 4.0 * reference) == pytest.approx(0.25)


def test_ssim_is_one_for_itself_and_falls_with_noise() -> None:
    rng = np.random.default_rng(1)
    reference = np.add.outer(np.add.outer(np.arange(12.0), np.arange(12.0)), np.arange(12.0))
    little, much = (reference + sd * rng.standard_normal(reference.shape) for sd in (0.5, 5.0))
    assert ssim(reference, reference) == pytest.approx(1.0)
    assert 1.0 > ssim(reference, little) > ssim(reference, much)


def test_only_the_mask_counts() -> None:
    reference = np.ones((4, 4, 4))
    image = reference.copy()
    image[0] = 5.0
    mask = np.ones_like(reference, bool)
    mask[0] = False
    assert nrmse(reference, image, mask) == 0.0
    assert nrmse(reference, image) > 1.0


def test_t2_errors_of_four_voxels_by_hand() -> None:
    true = np.full((1, 1, 4), 0.3)
    found = np.array([[[0.33, 0.25, 0.3, np.nan]]])  # errors +30, -50, 0 and a missing one that counts as -300 ms
    error = t2_error(found, true, np.ones_like(true, bool))
    assert error.mae == pytest.approx(0.095)
    assert error.bias == pytest.approx(-0.080)
    assert error.median_abs == pytest.approx(0.040)
    assert error.invalid_fraction == 0.25
    assert error.n_voxels == 4
    assert math.isnan(error.core_mae)  # a line of voxels has no inside
    assert error.as_ms()["mae"] == pytest.approx(95.0)


@pytest.mark.parametrize("value", [0.0, -0.2, np.inf, 3.0, np.nan])
def test_impossible_t2_is_invalid_and_never_free(value: float) -> None:
    true = np.full((3, 3, 3), 0.3)
    error = t2_error(np.full_like(true, value), true, np.ones_like(true, bool))
    assert error.invalid_fraction == 1.0
    assert error.mae >= 0.3 - 1e-12


def test_core_leaves_out_the_edge() -> None:
    true = np.full((5, 5, 5), 0.3)
    found = true + 0.1
    found[1:4, 1:4, 1:4] = 0.3
    error = t2_error(found, true, np.ones_like(true, bool))
    assert error.core_mae == 0.0
    assert error.mae == pytest.approx(0.1 * 98 / 125)


def test_the_filter_of_the_high_frequency_error_is_the_laplacian_of_a_gaussian() -> None:
    kernel = log_kernel()
    assert kernel.shape == (15, 15)
    assert float(kernel.sum()) == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(kernel, kernel.T)
    assert kernel[7, 7] == kernel.min()
    # (r^2 - 2 s^2) / s^4 times the Gaussian 1 / (2 pi s^2), s = 1.5: at the centre -2 / (2 pi s^4)
    assert float(kernel[7, 7]) == pytest.approx(-2 / (2 * math.pi * 1.5**4), rel=0.01)
    assert kernel[7, 9] < 0 < kernel[7, 10]  # zero at sqrt(2) 1.5 = 2.1 pixels


def test_high_frequency_error_of_a_share_is_that_share_and_of_a_level_nothing() -> None:
    image = np.random.default_rng(0).standard_normal((32, 30))
    assert hfen(image, image) == 0.0
    assert hfen(image, 1.2 * image) == pytest.approx(0.2)
    assert hfen(image, np.zeros_like(image)) == pytest.approx(1.0)
    middle = np.zeros(image.shape, bool)
    middle[8:-8, 8:-8] = True
    assert hfen(image, image + 5.0, middle) == pytest.approx(0.0, abs=1e-9)


def test_high_frequency_error_of_a_volume_is_that_of_its_slices_together() -> None:
    rng = np.random.default_rng(1)
    true, found = rng.standard_normal((2, 20, 20, 3))
    found = true + 0.3 * found
    error = sum((hfen(true[:, :, k], found[:, :, k]) * _edges(true[:, :, k])) ** 2 for k in range(3))
    assert hfen(true, found) == pytest.approx(math.sqrt(error / sum(_edges(true[:, :, k]) ** 2 for k in range(3))))
    shifted = np.roll(true, 1, axis=2)
    assert hfen(true, shifted) > 0.5


def _edges(image: np.ndarray) -> float:
    from scipy import ndimage

    return float(np.linalg.norm(ndimage.convolve(image, log_kernel(), mode="constant")))


def test_blur_is_seen_by_the_high_frequency_error_more_than_by_the_mean_error() -> None:
    from scipy import ndimage

    x = np.linspace(-1, 1, 64)
    disc = (x[:, None] ** 2 + x**2 < 0.5).astype(float)
    blurred = ndimage.gaussian_filter(disc, 2.0)
    assert hfen(disc, blurred) > 3 * nrmse(disc, blurred)
    with pytest.raises(ValueError, match="no edge"):
        hfen(np.zeros((20, 20)), disc[:20, :20])


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        nrmse(np.ones(3), np.ones(4))
    with pytest.raises(ValueError, match="differ in shape"):
        nrmse(np.ones(3), np.ones(3), np.ones(4, bool))
    with pytest.raises(ValueError, match="mask is empty"):
        psnr(np.ones(3), np.ones(3), np.zeros(3, bool))
    with pytest.raises(ValueError, match="zero everywhere"):
        best_scale(np.ones(3), np.zeros(3))
