"""A moving slice seen by several coils along golden-angle spokes or Cartesian lines, with noise, and its truth."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fetalt2prep.core.fourier_op import Nufft, fft2c, ifft2c
from fetalt2prep.core.kt.trajectory import golden_angle_spokes, variable_density_lines
from fetalt2prep.sim.dynamic import SCENES, MotionTrace, draw_jumps, scene_image

FINE = 2  # the object's grid is so many times finer than the image's
SAMPLINGS = ("radial", "cartesian")


@dataclass(frozen=True, kw_only=True)
class DynamicOptions:
    """A dynamic acquisition of one slice or several; seconds and millimetres."""

    scene: str = "cine"
    """cine (a beating heart in a breathing chest) or fetal (a head that jumps)."""
    n: int = 96
    """Pixels along each side."""
    n_frames: int = 20
    n_coils: int = 8
    sampling: str = "radial"
    """radial (golden angle) or cartesian."""
    readouts_per_frame: int = 13
    """Spokes or lines."""
    tr_s: float = 0.0032
    """Time of one readout."""
    frame_s: float | None = 0.04
    """Time of one frame; None: its readouts' time. Given, every acceleration sees the same motion."""
    states_per_frame: int = 1
    """How often the scene is moved within a frame; 1: it stands still while a frame is measured."""
    snr: float = 30.0
    """Mean signal of the object over the noise of a fully sampled image; inf: no noise."""
    n_jumps: int = 2
    """Of the fetal head."""
    fov_mm: float = 320.0
    thickness_mm: float = 4.0
    slices_z: tuple[float, ...] = (0.0,)
    """Heights of the slices in units of half the field of view; each is measured for all frames in turn."""
    noise_readouts: int = 8
    """Readouts of noise alone, for pre-whitening."""

    def __post_init__(self) -> None:
        known = {"scene": tuple(SCENES), "sampling": SAMPLINGS}
        for name, words in known.items():
            if getattr(self, name) not in words:
                raise ValueError(f"{name} is {getattr(self, name)!r}; known are {', '.join(words)}.")
        for name in ("n", "n_frames", "n_coils", "readouts_per_frame", "states_per_frame"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 1 or more.")
        if not self.snr > 0 or self.n % 2:
            raise ValueError(f"snr is {self.snr} and n {self.n}: snr must be above 0, n even.")


@dataclass(frozen=True)
class MovingScene:
    """The object alone: what it looks like at any time."""

    options: DynamicOptions
    motion: MotionTrace
    phase: Tensor  # (fine y, fine x)
    texture_seed: int

    def fine(self, z: float, time_s: float) -> Tensor:
        """Complex image on the fine grid, (y, x)."""
        n, parts = self.options.n * FINE, SCENES[self.options.scene]
        image = scene_image(parts, self.motion, time_s, n, z=z, seed=self.texture_seed)
        return torch.from_numpy(image).to(torch.complex64) * self.phase

    def truth(self, z: float, time_s: float) -> Tensor:
        """What a fully sampled acquisition without noise shows, (y, x)."""
        return ifft2c(_crop(fft2c(self.fine(z, time_s)))) / FINE


@dataclass(frozen=True)
class DynamicScan:
    """What was measured, and the truth; tensors on the CPU."""

    options: DynamicOptions
    scene: MovingScene
    samples: Tensor  # (slice, frame, coil, readout, sample) complex64
    k_per_pixel: Tensor | None  # (slice, frame, readout, sample, 2), radial
    lines: NDArray[np.int64] | None  # (slice, frame, readout), Cartesian
    times_s: NDArray[np.float64]  # (slice, frame, readout)
    noise: Tensor  # (coil, sample)
    maps: Tensor  # (coil, y, x), true
    truth: Tensor  # (slice, frame, y, x), complex, at the middle of each frame


def simulate_dynamic(options: DynamicOptions, seed: int = 1) -> DynamicScan:
    """Draw motion, lines and noise, then measure; the same options and seed give the same scan."""
    generator = np.random.default_rng(seed)
    n_slices, n_frames, n_readouts = len(options.slices_z), options.n_frames, options.readouts_per_frame
    frame_s = options.tr_s * n_readouts if options.frame_s is None else options.frame_s
    order = np.arange(n_slices * n_frames).reshape(n_slices, n_frames)  # slice after slice, frame after frame
    times_s = (order[..., None] + (np.arange(n_readouts) + 0.5) / n_readouts) * frame_s
    motion = MotionTrace(breath_s=float(generator.uniform(3.5, 4.7)), beat_s=float(generator.uniform(0.7, 0.9)))
    if options.scene == "fetal":
        motion = draw_jumps(options.n_jumps, float(order.size * frame_s), generator)
    maps_fine = coil_maps(options.n * FINE, options.n_coils, generator)
    phase = background_phase(options.n * FINE, generator)
    scene = MovingScene(options, motion, phase, int(generator.integers(2**31)))
    k_per_pixel, lines = None, None
    if options.sampling == "radial":
        k_per_pixel = golden_angle_spokes(times_s.size, options.n).reshape(*times_s.shape, 2 * options.n, 2)
    else:
        lines = variable_density_lines(order.size, n_readouts, options.n, generator).reshape(times_s.shape)
    empty = torch.empty(0)
    scan = DynamicScan(options, scene, empty, k_per_pixel, lines, times_s, empty, maps_fine, empty)
    places = [(s, f) for s in range(n_slices) for f in range(n_frames)]
    clean = torch.stack([_frame(scan, s, f) for s, f in places]).unflatten(0, (n_slices, n_frames))
    truth = torch.stack([scene.truth(options.slices_z[s], float(times_s[s, f].mean())) for s, f in places])
    magnitude = truth.abs()
    sigma = float(magnitude[magnitude > 0.1 * magnitude.max()].mean()) / options.snr
    noise = (
        torch.from_numpy(white_noise((options.n_coils, options.noise_readouts * clean.shape[-1]), generator)) * sigma
    )
    return replace(
        scan,
        samples=clean + torch.from_numpy(white_noise(tuple(clean.shape), generator)) * sigma,
        noise=noise,
        maps=maps_fine[:, ::FINE, ::FINE].contiguous(),
        truth=truth.unflatten(0, (n_slices, n_frames)),
    )


def _frame(scan: DynamicScan, s: int, f: int) -> Tensor:
    """Samples of one frame without noise, (coil, readout, sample); the scene is moved ``states_per_frame`` times."""
    options, times = scan.options, scan.times_s[s, f]
    groups = np.array_split(np.arange(len(times)), min(options.states_per_frame, len(times)))
    measured = []
    for group in groups:  # one state of the scene each
        image = scan.scene.fine(options.slices_z[s], float(times[group].mean()))
        fine = (image * scan.maps)[None]
        if scan.k_per_pixel is not None:
            k = scan.k_per_pixel[s, f, group].reshape(1, -1, 2) / FINE
            y = Nufft(k, (fine.shape[-2], fine.shape[-1])).forward(fine)[0] / FINE
            measured.append(y.reshape(options.n_coils, len(group), -1))
        else:
            assert scan.lines is not None
            measured.append(_crop(fft2c(fine))[0][:, scan.lines[s, f, group]] / FINE)
    return torch.cat(measured, 1)


def _crop(spectrum: Tensor) -> Tensor:
    n = spectrum.shape[-1]
    low, size = n // 2 - n // FINE // 2, n // FINE
    return spectrum[..., low : low + size, low : low + size]


def coil_maps(n: int, n_coils: int, generator: np.random.Generator) -> Tensor:
    """Loops on a ring around the object: smooth complex maps (coil, y, x), root sum of squares 1."""
    axis = 2 * (np.arange(n) + 0.5) / n - 1.0
    y, x = axis[:, None], axis[None, :]
    maps = np.empty((n_coils, n, n), np.complex64)
    for c in range(n_coils):
        around = 2 * math.pi * (c + generator.uniform(-0.15, 0.15)) / n_coils
        far = generator.uniform(1.15, 1.35)
        dy, dx = y - far * math.sin(around), x - far * math.cos(around)
        strength = (dy**2 + dx**2 + 0.25) ** -1.0
        maps[c] = strength * np.exp(1j * (np.arctan2(dy, dx) + generator.uniform(0, 2 * math.pi)))
    return torch.from_numpy(maps / np.sqrt((np.abs(maps) ** 2).sum(0)))


def background_phase(n: int, generator: np.random.Generator) -> Tensor:
    """Slowly varying phase of a receiver, ``exp(i phase)``, (n, n)."""
    axis = 2 * (np.arange(n) + 0.5) / n - 1.0
    y, x = axis[:, None], axis[None, :]
    a = generator.normal(0, 0.5, 5)
    phase = a[0] + a[1] * y + a[2] * x + a[3] * y * x + a[4] * (y * y - x * x)
    return torch.from_numpy(np.exp(1j * phase).astype(np.complex64))


def white_noise(shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.complex64]:
    """Complex noise with mean power 1."""
    parts = generator.standard_normal((*shape, 2), dtype=np.float32)
    return (parts.view(np.complex64)[..., 0]) / np.float32(math.sqrt(2))
