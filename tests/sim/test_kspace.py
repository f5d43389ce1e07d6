"""From fine samples to pixels: truncation, zero filling, line weights, coloured noise."""

from __future__ import annotations

import numpy as np
import pytest

from fetalt2prep.sim.kspace import colour_noise, kspace_window, truncate_kspace


def wave(n: int, cycles: int) -> np.ndarray:
    return np.cos(2 * np.pi * cycles * np.arange(n) / n)


def test_truncation_keeps_low_frequencies_and_drops_high_ones() -> None:
    low, high = wave(32, 3)[:, None] * np.ones(32), wave(32, 14)[:, None] * np.ones(32)
    kept = truncate_kspace((5.0 + low).astype(np.float32), (16, 16))
    assert np.allclose(kept, (5.0 + low)[::2, ::2], atol=1e-5)
    assert np.abs(truncate_kspace(high.astype(np.float32), (16, 16))).max() < 1e-5


def test_zero_filling_is_band_limited_interpolation() -> None:
    """What a matrix of 8 holds stays as it is on 16 pixels; what it does not hold is gone."""
    low, high = 5.0 + wave(32, 2)[None, :] * np.ones((32, 1)), wave(32, 5)[None, :] * np.ones((32, 1))
    filled = truncate_kspace((low + high).astype(np.float32), (16, 16), acquired=(16, 8))
    assert np.allclose(filled, low[::2, ::2], atol=1e-5)


def test_line_weights_act_on_the_second_axis_alone_and_add_up() -> None:
    """Two images with weights 1 and 0.5 along the lines that carry 2 cycles, by hand."""
    rows, columns = wave(32, 2)[:, None] * np.ones(32), np.ones((32, 1)) * wave(32, 2)
    weights = np.ones((2, 16))
    weights[1, [8 - 2, 8 + 2]] = 0.5
    fine = np.stack((3.0 + rows, 3.0 + columns)).astype(np.float32)
    found = truncate_kspace(fine, (16, 16), line_weights=weights)
    assert np.allclose(found, (3.0 + rows + 3.0 + 0.5 * columns)[::2, ::2], atol=1e-5)


def test_unit_weights_are_no_weights() -> None:
    fine = np.random.default_rng(0).uniform(size=(24, 20)).astype(np.float32)
    plain = truncate_kspace(fine, (12, 10))
    assert np.allclose(truncate_kspace(fine[None], (12, 10), line_weights=np.ones((1, 10))), plain, atol=1e-6)


def test_coloured_noise_keeps_its_variance_and_fills_the_acquired_matrix_only() -> None:
    rng = np.random.default_rng(1)
    white = (rng.standard_normal((2, 64, 48, 20)) @ np.eye(20)).astype(np.float32)
    noise = colour_noise((white[0] + 1j * white[1]).astype(np.complex64), (32, 48))
    assert noise.real.std() == pytest.approx(1.0, rel=0.02)
    spectrum = np.abs(np.fft.fftshift(np.fft.fft2(noise, axes=(0, 1)), axes=(0, 1)))
    assert spectrum[:15].max() < 1e-3 * spectrum.max()
    assert spectrum[50:].max() < 1e-3 * spectrum.max()


def test_an_acquired_matrix_larger_than_the_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"acquired matrix is \(8, 20\)"):
        kspace_window((16, 16), (8, 20))
