"""What spoils slices besides motion: signal voids, gain changes, coil sensitivity, noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class VoidTable:
    """One elliptical signal void per slice, in its own plane; amplitude 0 where none. All (slice,)."""

    amplitude: Doubles  # share of the signal lost in the middle
    centre_x_mm: Doubles  # from the middle of the slice
    centre_y_mm: Doubles
    angle_deg: Doubles
    sigma_x_mm: Doubles
    sigma_y_mm: Doubles


def draw_voids(rng: np.random.Generator, n_slices: int, probability: float, reach_mm: float) -> VoidTable:
    """Draw voids: A ~ U(0.5, 1), a ~ U(5, 15), sigma_x ~ U(1, 16), sigma_y = a^2 / sigma_x (SVoRT, Xu 2022).

    SVoRT's pixels are read as millimetres, so that a finer matrix does not shrink the void; sigma_y stops at
    40 mm. The centre is uniform in a disc of ``reach_mm``.
    """
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"void probability is {probability}; it must lie between 0 and 1.")
    hit = rng.random(n_slices) < probability
    amplitude = np.where(hit, rng.uniform(0.5, 1.0, n_slices), 0.0)
    size_mm, sigma_x = rng.uniform(5.0, 15.0, n_slices), rng.uniform(1.0, 16.0, n_slices)
    radius, turn = reach_mm * np.sqrt(rng.random(n_slices)), rng.uniform(0.0, 2 * np.pi, n_slices)
    return VoidTable(
        amplitude=amplitude,
        centre_x_mm=radius * np.cos(turn),
        centre_y_mm=radius * np.sin(turn),
        angle_deg=rng.uniform(0.0, 180.0, n_slices),
        sigma_x_mm=sigma_x,
        sigma_y_mm=np.minimum(size_mm**2 / sigma_x, 40.0),
    )


def void_factor(voids: VoidTable, row: int, x_mm: Floats, y_mm: Floats) -> Floats:
    """``1 - A exp(-x'^2 / 2 sigma_x^2 - y'^2 / 2 sigma_y^2)`` at in-plane positions; x_mm, y_mm broadcast."""
    angle = np.deg2rad(voids.angle_deg[row])
    dx, dy = x_mm - voids.centre_x_mm[row], y_mm - voids.centre_y_mm[row]
    along = (np.cos(angle) * dx + np.sin(angle) * dy) / voids.sigma_x_mm[row]
    across = (np.cos(angle) * dy - np.sin(angle) * dx) / voids.sigma_y_mm[row]
    return np.asarray(1.0 - voids.amplitude[row] * np.exp(-0.5 * (along**2 + across**2)), np.float32)


def draw_gains(rng: np.random.Generator, n_slices: int, sd: float) -> Doubles:
    """Gain of every slice, (slice,): log-normal with that relative standard deviation."""
    if sd < 0:
        raise ValueError(f"gain spread is {sd}; it must be 0 or more.")
    return np.exp(sd * rng.standard_normal(n_slices))


@dataclass(frozen=True)
class CoilField:
    """Static receive sensitivity in scanner space: the exponential of a quadratic, 1 at the centre."""

    coefficients: Doubles  # (9,) of x, y, z, x^2, y^2, z^2, xy, yz, zx in units of the radius
    centre_mm: Doubles  # (3,)
    radius_mm: float

    def at(self, points_mm: NDArray[np.floating]) -> Floats:
        """Sensitivity at world points, (..., 3) -> (...)."""
        x, y, z = np.moveaxis((points_mm - self.centre_mm) / self.radius_mm, -1, 0)
        terms = (x, y, z, x * x, y * y, z * z, x * y, y * z, z * x)
        exponent = sum(c * term for c, term in zip(self.coefficients, terms, strict=True))
        return np.asarray(np.exp(np.clip(exponent, -1.0, 1.0)), np.float32)


def draw_coil_field(rng: np.random.Generator, amplitude: float, centre_mm: Doubles, radius_mm: float) -> CoilField:
    """Draw a field whose logarithm has the standard deviation ``amplitude`` over the ball around the head.

    Mean squares over the unit ball: x^2 1/5, x^4 3/35 less (1/5)^2 for the variance, x^2 y^2 1/35.
    """
    if amplitude < 0:
        raise ValueError(f"coil amplitude is {amplitude}; it must be 0 or more.")
    raw = rng.standard_normal(9) * np.repeat((1.0, 0.5, 0.5), 3)
    linear, square, product = raw[:3], raw[3:6], raw[6:]
    cross = 2 * (square[0] * square[1] + square[1] * square[2] + square[2] * square[0])
    variance = (
        np.sum(linear**2) / 5
        + np.sum(square**2) * (3 / 35 - 1 / 25)
        + cross * (1 / 35 - 1 / 25)
        + np.sum(product**2) / 35
    )
    return CoilField(amplitude * raw / np.sqrt(variance), np.asarray(centre_mm, float), radius_mm)


def draw_noise(rng: np.random.Generator, shape: tuple[int, ...], sd: float) -> NDArray[np.complex64]:
    """Complex white noise, standard deviation ``sd`` in the real and in the imaginary part."""
    if sd < 0:
        raise ValueError(f"noise standard deviation is {sd}; it must be 0 or more.")
    parts = rng.standard_normal((2, *shape), np.float32) * np.float32(sd)
    return np.asarray(parts[0] + 1j * parts[1], np.complex64)


def add_rician(pixels: Floats, noise: NDArray[np.complex64]) -> Floats:
    """Magnitude of signal plus complex noise."""
    return np.asarray(np.abs(pixels + noise), np.float32)
