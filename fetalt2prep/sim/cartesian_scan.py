"""Undersampled Cartesian slices seen by several coils, with calibration lines, partial Fourier, noise and the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fetalt2prep.core.fourier_op import fft2c, ifft2c
from fetalt2prep.sim.dynamic import SCENES, MotionTrace, scene_image
from fetalt2prep.sim.dynamic_scan import background_phase, coil_maps, white_noise

FINE = 2  # the object's grid is so many times finer than the image's
OVERSAMPLING = 2  # of the readout


@dataclass(frozen=True, kw_only=True)
class CartesianOptions:
    """Slices of a scene that stands still; seconds and millimetres."""

    scene: str = "fetal"
    """fetal (a head in the uterus) or cine (a chest)."""
    shape: tuple[int, int] = (128, 128)
    """(n_y, n_x) pixels; lines run along x."""
    n_slices: int = 1
    n_coils: int = 8
    acceleration: int = 2
    """Every how many lines one is measured, outside the calibration."""
    n_calibration: int = 24
    """Lines around the centre of k-space that are all measured."""
    partial_fourier: float = 1.0
    """Share of k-space that the measured band reaches over, above 0.5."""
    snr: float = 20.0
    """Mean signal of the object over the noise of a fully sampled image, in each part of the complex; inf: none."""
    coil_noise: float = 0.5
    """How unlike the noise of the coils is, and how much of it they share: 0 is white noise, alike in all."""
    te_s: float = 0.1
    """Written into the header; the scene's contrast does not depend on it."""
    fov_mm: float = 320.0
    thickness_mm: float = 4.0
    echo_spacing_s: float = 0.005
    noise_readouts: int = 16
    """Readouts of noise alone; 0: none."""

    def __post_init__(self) -> None:
        if self.scene not in SCENES:
            raise ValueError(f"scene is {self.scene!r}; known are {', '.join(SCENES)}.")
        for name in ("n_slices", "n_coils", "acceleration"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 1 or more.")
        if min(self.shape) < 8 or self.n_calibration < 0 or self.noise_readouts < 0:
            raise ValueError(
                f"shape is {self.shape}, n_calibration {self.n_calibration}, noise_readouts {self.noise_readouts}: "
                "8 pixels or more and counts from 0 on are needed."
            )
        if not 0.5 < self.partial_fourier <= 1 or not self.snr > 0 or not self.coil_noise >= 0:
            raise ValueError(
                f"partial_fourier is {self.partial_fourier}, snr {self.snr}, coil_noise {self.coil_noise}: above 0.5 "
                "and up to 1, above 0, and 0 or more are needed."
            )

    @property
    def heights_mm(self) -> list[float]:
        """Of the slices, side by side about the middle."""
        return [(s - (self.n_slices - 1) / 2) * self.thickness_mm for s in range(self.n_slices)]


@dataclass(frozen=True)
class CartesianScan:
    """What was measured, and the truth; tensors on the CPU."""

    options: CartesianOptions
    samples: Tensor  # (slice, coil, line, x), readouts oversampled
    lines: NDArray[np.int64]  # (line,), those measured, in order
    is_calibration: NDArray[np.bool_]  # (line,)
    noise: Tensor  # (coil, sample)
    truth: Tensor  # (slice, y, x), complex: fully sampled, without noise


def simulate_cartesian(options: CartesianOptions, seed: int = 1) -> CartesianScan:
    """Measure every slice along the same lines; the same options and seed give the same scan."""
    generator = np.random.default_rng(seed)
    n_y, n_x = options.shape
    fine = FINE * max(n_y, n_x)
    maps = coil_maps(fine, options.n_coils, generator)
    phase = background_phase(fine, generator)
    texture = int(generator.integers(2**31))
    lines, is_calibration = chosen_lines(options)
    clean, truth = [], []
    for height in options.heights_mm:  # memory: one slice's fine images at a time
        z = height / (options.fov_mm / 2)
        still = scene_image(SCENES[options.scene], MotionTrace(), 0.0, fine, z=z, seed=texture)
        image = torch.from_numpy(still).to(torch.complex64) * phase
        scale = math.sqrt(n_y * n_x) / fine
        truth.append(ifft2c(_cropped(fft2c(image), n_y, n_x)) * scale)
        beside = (OVERSAMPLING - 1) * fine // 2
        wide = torch.nn.functional.pad(image * maps, (beside, beside))
        spectrum = _cropped(fft2c(wide), n_y, OVERSAMPLING * n_x)
        clean.append(spectrum[:, torch.from_numpy(lines)] * scale)
    exact = torch.stack(truth)
    magnitude = exact.abs()
    sigma = math.sqrt(2) * float(magnitude[magnitude > 0.1 * magnitude.max()].mean()) / options.snr
    mixing = torch.from_numpy(_mixing(options, generator)) * sigma
    samples = torch.stack(clean)
    white = torch.from_numpy(white_noise(tuple(samples.shape), generator))
    silent = torch.from_numpy(white_noise((options.n_coils, options.noise_readouts * samples.shape[-1]), generator))
    return CartesianScan(
        options, samples + torch.einsum("vc,sclx->svlx", mixing, white), lines, is_calibration, mixing @ silent, exact
    )


def chosen_lines(options: CartesianOptions) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Lines that are measured, in order, and whether each is one of the calibration's: (line,) both.

    With partial Fourier the first lines are left out, as in a train that reaches the centre early.
    """
    n_y, centre = options.shape[0], options.shape[0] // 2
    line = np.arange(n_y)
    first = centre - options.n_calibration // 2
    calibration = (line >= first) & (line < first + options.n_calibration)
    measured = ((line - centre) % options.acceleration == 0) | calibration
    measured &= line >= round((1 - options.partial_fourier) * n_y)
    return np.flatnonzero(measured), calibration[measured]


def _cropped(spectrum: Tensor, n_y: int, n_x: int) -> Tensor:
    low_y, low_x = spectrum.shape[-2] // 2 - n_y // 2, spectrum.shape[-1] // 2 - n_x // 2
    return spectrum[..., low_y : low_y + n_y, low_x : low_x + n_x]


def _mixing(options: CartesianOptions, generator: np.random.Generator) -> NDArray[np.complex64]:
    """Matrix (coil, coil) that makes white noise that of the coils, of mean power 1."""
    n = options.n_coils
    parts = generator.standard_normal((2, n, n)) / math.sqrt(2 * n)
    gain = np.exp(options.coil_noise * generator.standard_normal(n))
    mixing = gain[:, None] * (np.eye(n) + options.coil_noise * (parts[0] + 1j * parts[1]))
    return np.asarray(mixing / math.sqrt((np.abs(mixing) ** 2).sum() / n), np.complex64)
