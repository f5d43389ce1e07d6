"""One synthetic stack and its brain mask: what is there, how it looks, and what the scanner makes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fetalt2prep.sim.phantom import LAST_BRAIN_LABEL, Label
from fetalt2prep.sim.pictures.head import draw_head, paint_head
from fetalt2prep.sim.pictures.noise_field import Floats, draw_smooth
from fetalt2prep.sim.pictures.place import Lattice
from fetalt2prep.sim.pictures.tissues import draw_levels
from fetalt2prep.sim.pictures.womb import draw_womb

N_SUB = 2  # sub-slices that are averaged
FINE = 3  # lattice points over two pixels


@dataclass(frozen=True)
class Picture:
    """A stack as the network sees one, without its intensity scale."""

    pixels: NDArray[np.float16]  # (slice, y, x), 1 is bright
    target: NDArray[np.uint8]  # (slice, y, x), share of brain, 0 to 255


def draw_picture(seed: int, *, n_pixels: int = 128, n_slices: int = 20, pixel_mm: float = 2.0) -> Picture:
    """Draw picture number ``seed``: the same number gives the same picture."""
    rng = np.random.default_rng([seed, 0xB7A1])
    lattice, share = _draw_lattice(rng, n_pixels, n_slices, pixel_mm)
    head = None
    if rng.random() < 0.93:
        half = lattice.half_mm
        centre = rng.uniform(-1, 1, 3) * [0.6 * half[0], 0.6 * half[1], 0.75 * half[2]]
        head = draw_head(rng, np.asarray(centre))
    labels = draw_womb(rng, lattice, head)
    if head is not None:
        paint_head(rng, head, lattice, N_SUB, labels)
    signal = _paint_signal(rng, labels, lattice)
    brain = ((labels > 0) & (labels <= LAST_BRAIN_LABEL)).astype(np.float32)
    blur = float(rng.uniform(0.25, 0.75)) / lattice.spacing_mm[0]  # of the pixel, as a standard deviation
    signal = ndimage.gaussian_filter(_average(signal, share), (blur, blur, 0))
    stack = _pool(signal, n_pixels)
    stack = _scanner(rng, stack, (pixel_mm, pixel_mm, lattice.spacing_mm[2] * N_SUB))
    target = np.rint(255 * _pool(_average(brain, 0.0), n_pixels))
    return Picture(
        np.ascontiguousarray(stack.transpose(2, 1, 0)).astype(np.float16),
        np.ascontiguousarray(target.transpose(2, 1, 0)).astype(np.uint8),
    )


def _draw_lattice(rng: np.random.Generator, n_pixels: int, n_slices: int, pixel_mm: float) -> tuple[Lattice, float]:
    """Points of a stack, 2.5 to 6.5 mm between slices, and how much of a neighbour each slice holds."""
    fine_mm = pixel_mm * 2 / FINE
    n = n_pixels * FINE // 2
    lattice = Lattice(
        shape=(n, n, n_slices * N_SUB), spacing_mm=(fine_mm, fine_mm, float(rng.uniform(2.5, 6.5)) / N_SUB)
    )
    return lattice, float(rng.choice([0.0, 0.0, rng.uniform(0, 0.3)]))


def _paint_signal(rng: np.random.Generator, labels: NDArray[np.uint8], lattice: Lattice) -> Floats:
    """Signal (x, y, sub-slice): a level per label, uneven within."""
    signal = draw_levels(rng)[labels]
    shape, spacing = lattice.shape, lattice.spacing_mm
    brain = labels <= LAST_BRAIN_LABEL
    fine, coarse = draw_smooth(rng, shape, spacing, rng.uniform(3, 8)), draw_smooth(rng, shape, spacing, 25.0)
    within = np.where(brain, rng.uniform(0, 0.10), rng.uniform(0, 0.22)).astype(np.float32)
    signal *= np.maximum(1 + within * fine + np.float32(rng.uniform(0, 0.12)) * coarse, 0.05)
    if rng.random() < 0.3:  # moving fluid loses signal
        lost = 1 / (1 + np.exp(4 * (draw_smooth(rng, shape, spacing, 30.0) - 0.8)))
        signal = np.where(labels == Label.AMNIOTIC_FLUID, signal * lost, signal)
    return np.asarray(signal, np.float32)


def _average(values: Floats, share: float) -> Floats:
    """Sub-slices to slices, (x, y, slice), each with a share of its neighbours."""
    slices = values.reshape(*values.shape[:2], -1, N_SUB).mean(-1)
    if share > 0:
        slices = ndimage.correlate1d(slices, [share / 2, 1 - share, share / 2], axis=2, mode="nearest")
    return np.asarray(slices, np.float32)


def _pool(values: Floats, n_pixels: int) -> Floats:
    """Lattice to pixels: means over squares, each lattice point counted in halves (three points, two pixels)."""
    for axis in (0, 1):
        values = np.repeat(values, 2, axis=axis)
        shape = [*values.shape[:axis], n_pixels, FINE, *values.shape[axis + 1 :]]
        values = values.reshape(shape).mean(axis + 1)
    return np.asarray(values, np.float32)


def _scanner(rng: np.random.Generator, stack: Floats, spacing_mm: tuple[float, float, float]) -> Floats:
    """Coil field, gain of each slice, dark patches, noise, and a scale on which 1 is bright."""
    shape = (stack.shape[0], stack.shape[1], stack.shape[2])
    field = rng.uniform(0, 0.3) * draw_smooth(rng, shape, spacing_mm, rng.uniform(70, 150))
    slope = rng.standard_normal(3) * rng.choice([0.0, 0.5, 1.2])  # coils near one side
    for axis, along in enumerate(slope):
        place = np.linspace(-1, 1, shape[axis], dtype=np.float32)
        field = field + np.float32(along * 0.6) * np.expand_dims(place, tuple({0, 1, 2} - {axis}))
    gain = np.exp(rng.choice([0.02, 0.06, 0.15]) * rng.standard_normal(shape[2]))
    stack = stack * np.exp(field) * gain.astype(np.float32)
    if rng.random() < 0.4:
        _voids(rng, stack, spacing_mm[0])
    bright = float(np.percentile(stack, 99)) or 1.0
    sigma = bright * float(np.exp(rng.uniform(np.log(0.004), np.log(0.07))))
    noise = rng.standard_normal((2, *shape)).astype(np.float32) * np.float32(sigma)
    stack = np.hypot(stack + noise[0], noise[1])
    return np.asarray(stack / max(float(np.percentile(stack, 99)), 1e-6), np.float32)


def _voids(rng: np.random.Generator, stack: Floats, pixel_mm: float) -> None:
    """Patches, or all, of some slices lose signal; in place."""
    x, y = (np.arange(n) * pixel_mm for n in stack.shape[:2])
    for k in np.flatnonzero(rng.random(stack.shape[2]) < 0.12):  # slices
        centre, semi = rng.uniform(0, 1, 2) * [x[-1], y[-1]], rng.uniform(10, 60, 2)
        depth = np.exp(-(((x[:, None] - centre[0]) / semi[0]) ** 2) - ((y - centre[1]) / semi[1]) ** 2)
        stack[:, :, k] *= 1 - rng.uniform(0.3, 1.0) * depth.astype(np.float32)
