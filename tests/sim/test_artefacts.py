"""Voids, gains, coil and noise: shapes by hand, statistics as asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fetalt2prep.sim.artefacts import (
    VoidTable,
    add_rician,
    draw_coil_field,
    draw_gains,
    draw_noise,
    draw_voids,
    void_factor,
)


def test_void_is_an_ellipse_of_the_given_size() -> None:
    one = np.ones(1)
    voids = VoidTable(0.8 * one, 2 * one, 0 * one, 90 * one, 3 * one, 6 * one)
    along_x = void_factor(voids, 0, np.array([[2.0], [8.0]], np.float32), np.zeros((1, 1), np.float32))
    along_y = void_factor(voids, 0, np.full((1, 1), 2.0, np.float32), np.array([[3.0]], np.float32))
    assert along_x[0, 0] == pytest.approx(0.2)  # the middle keeps 1 - A
    assert along_x[1, 0] == pytest.approx(1 - 0.8 * np.exp(-0.5), rel=1e-5)  # turned by 90 deg: x is the long axis
    assert along_y[0, 0] == pytest.approx(1 - 0.8 * np.exp(-0.5), rel=1e-5)


def test_voids_are_as_frequent_as_asked_and_never_amplify() -> None:
    voids = draw_voids(np.random.default_rng(0), 4000, 0.1, 20.0)
    assert (voids.amplitude > 0).mean() == pytest.approx(0.1, abs=0.015)
    assert 0.5 <= voids.amplitude[voids.amplitude > 0].min() <= voids.amplitude.max() <= 1.0
    assert np.hypot(voids.centre_x_mm, voids.centre_y_mm).max() <= 20.0
    none = replace(voids, amplitude=np.zeros_like(voids.amplitude))
    x, y = np.linspace(-30, 30, 9, dtype=np.float32)[:, None], np.zeros((1, 3), np.float32)
    assert np.all(void_factor(none, 0, x, y) == 1.0)


def test_gain_spread_is_as_asked() -> None:
    gains = draw_gains(np.random.default_rng(0), 5000, 0.03)
    assert np.std(np.log(gains)) == pytest.approx(0.03, rel=0.05)
    assert np.all(draw_gains(np.random.default_rng(0), 7, 0.0) == 1.0)


def test_coil_field_has_the_asked_spread_over_the_head_and_is_one_in_the_middle() -> None:
    rng = np.random.default_rng(3)
    points = rng.uniform(-1, 1, (60000, 3))
    ball = 50.0 * points[(points**2).sum(1) < 1] + (5.0, 6.0, 7.0)
    for seed in range(3):
        coil = draw_coil_field(np.random.default_rng(seed), 0.15, np.array([5.0, 6.0, 7.0]), 50.0)
        assert np.std(np.log(coil.at(ball))) == pytest.approx(0.15, rel=0.03)
        assert coil.at(np.array([5.0, 6.0, 7.0])) == pytest.approx(1.0)


def test_noise_has_the_asked_spread_and_magnitude_is_rician() -> None:
    noise = draw_noise(np.random.default_rng(0), (100, 100, 10), 7.0)
    assert noise.real.std() == pytest.approx(7.0, rel=0.02)
    assert noise.imag.std() == pytest.approx(7.0, rel=0.02)
    bright = add_rician(np.full(noise.shape, 700.0, np.float32), noise)
    dark = add_rician(np.zeros(noise.shape, np.float32), noise)
    assert bright.std() == pytest.approx(7.0, rel=0.02)
    assert dark.mean() == pytest.approx(7.0 * np.sqrt(np.pi / 2), rel=0.02)  # Rayleigh


def test_impossible_sizes_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="void probability is 2"):
        draw_voids(rng, 3, 2.0, 5.0)
    with pytest.raises(ValueError, match="gain spread is -1"):
        draw_gains(rng, 3, -1.0)
    with pytest.raises(ValueError, match="noise standard deviation is -1"):
        draw_noise(rng, (2, 2), -1.0)
    with pytest.raises(ValueError, match="coil amplitude is -1"):
        draw_coil_field(rng, -1.0, np.zeros(3), 10.0)
