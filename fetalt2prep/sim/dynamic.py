"""A moving slice: beating and breathing ellipses, or a fetal head that jumps; with coils, phase and noise.

The object is given on a continuum: every part is an ellipsoid with its own texture, which moves along with it. It is
sampled on a grid finer than the image's, so that what reconstructs it on the coarse grid commits no inverse crime.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
N_WAVES = 24  # of a texture
EDGE_PIXELS = 0.6  # of the fine grid over which a part fades at its border


@dataclass(frozen=True, kw_only=True)
class Part:
    """An ellipsoid in the unit cube [-1, 1]^3 (y, x, z) that beats, breathes or turns."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    value: float
    """Added to what lies below."""
    texture: float = 0.0
    """Relative standard deviation of the texture."""
    beat: float = 0.0
    """Relative change of the radii over a heartbeat."""
    breath: float = 0.0
    """Shift along y over a breath."""
    angle_rad: float = 0.0
    rigid: bool = False
    """Moved by the jumps of the fetus."""


CINE = (
    Part(centre=(0.0, 0.0, 0.0), radii=(0.74, 0.92, 2.0), value=0.32, texture=0.20, breath=0.010),
    Part(centre=(-0.12, -0.50, 0.0), radii=(0.42, 0.28, 2.0), value=-0.24, texture=0.1, breath=0.03, angle_rad=0.15),
    Part(centre=(-0.12, 0.56, 0.0), radii=(0.40, 0.25, 2.0), value=-0.24, texture=0.1, breath=0.03, angle_rad=-0.15),
    Part(centre=(0.46, -0.30, 0.0), radii=(0.22, 0.42, 2.0), value=0.22, texture=0.25, breath=0.07),  # liver
    Part(centre=(0.50, 0.00, 0.0), radii=(0.13, 0.12, 2.0), value=0.25, texture=0.15),  # spine
    Part(centre=(-0.06, 0.10, 0.0), radii=(0.30, 0.34, 2.0), value=0.28, texture=0.12, beat=0.06, breath=0.03),
    Part(centre=(-0.02, 0.20, 0.0), radii=(0.15, 0.15, 2.0), value=0.42, texture=0.08, beat=0.34, breath=0.03),
    Part(
        centre=(-0.14, -0.06, 0.0),
        radii=(0.11, 0.18, 2.0),
        value=0.38,
        texture=0.08,
        beat=0.28,
        breath=0.03,
        angle_rad=0.5,
    ),
    Part(centre=(0.03, 0.24, 0.0), radii=(0.030, 0.035, 2.0), value=-0.40, beat=0.30, breath=0.03),  # papillary muscle
    Part(centre=(0.30, 0.10, 0.0), radii=(0.055, 0.055, 2.0), value=0.45, beat=-0.18, breath=0.01),  # aorta
    Part(centre=(0.42, -0.42, 0.0), radii=(0.030, 0.020, 2.0), value=0.35, breath=0.07),
    Part(centre=(0.50, -0.22, 0.0), radii=(0.020, 0.030, 2.0), value=0.35, breath=0.07),
    Part(centre=(0.40, -0.15, 0.0), radii=(0.015, 0.015, 2.0), value=0.35, breath=0.07),
    Part(centre=(-0.60, 0.20, 0.0), radii=(0.05, 0.30, 2.0), value=0.25, breath=0.010),  # fat of the chest wall
)
FETAL = (
    Part(centre=(0.0, 0.0, 0.0), radii=(0.85, 0.93, 2.0), value=0.25, texture=0.25, breath=0.012),
    Part(centre=(0.02, 0.0, 0.0), radii=(0.62, 0.66, 1.2), value=0.55, texture=0.03, breath=0.012),  # fluid
    Part(centre=(0.0, 0.02, 0.0), radii=(0.42, 0.52, 0.46), value=-0.55, rigid=True),  # skull
    Part(centre=(0.0, 0.02, 0.0), radii=(0.39, 0.49, 0.43), value=0.60, texture=0.03, rigid=True),  # outer fluid
    Part(centre=(0.0, 0.02, 0.0), radii=(0.345, 0.445, 0.38), value=-0.35, texture=0.10, rigid=True),  # cortex
    Part(centre=(0.0, 0.02, 0.0), radii=(0.300, 0.400, 0.34), value=0.13, texture=0.10, rigid=True),  # white matter
    Part(centre=(0.10, 0.02, 0.0), radii=(0.05, 0.22, 0.16), value=0.28, angle_rad=0.1, rigid=True),  # ventricles
    Part(centre=(-0.10, 0.02, 0.0), radii=(0.05, 0.22, 0.16), value=0.28, angle_rad=-0.1, rigid=True),
    Part(centre=(0.0, 0.22, 0.10), radii=(0.10, 0.10, 0.12), value=-0.12, texture=0.1, rigid=True),  # deep grey matter
    Part(centre=(0.0, -0.26, -0.1), radii=(0.14, 0.10, 0.14), value=-0.10, texture=0.2, rigid=True),  # cerebellum
)
SCENES = {"cine": CINE, "fetal": FETAL}


@dataclass(frozen=True, kw_only=True)
class MotionTrace:
    """How the scene moves; times in seconds."""

    beat_s: float = 0.80
    breath_s: float = 4.1
    jump_times_s: tuple[float, ...] = ()
    jump_shift: tuple[tuple[float, float], ...] = ()
    """(y, x) after each jump, in the unit square."""
    jump_angle_rad: tuple[float, ...] = ()

    def beat(self, time_s: float) -> float:
        """Contraction in [0, 1]: quick systole, slow filling."""
        phase = time_s / self.beat_s % 1.0
        return (
            math.sin(math.pi * phase / 0.4) ** 2 if phase < 0.4 else 0.15 * math.sin(math.pi * (phase - 0.4) / 0.6) ** 2
        )

    def breath(self, time_s: float) -> float:
        """Place along the breath, in [-1, 1]."""
        return math.sin(2 * math.pi * time_s / self.breath_s)

    def pose(self, time_s: float) -> tuple[float, float, float]:
        """Shift along y and x, and angle, since the last jump."""
        past = [i for i, at in enumerate(self.jump_times_s) if at <= time_s]
        return (*self.jump_shift[past[-1]], self.jump_angle_rad[past[-1]]) if past else (0.0, 0.0, 0.0)


def draw_jumps(n: int, duration_s: float, generator: np.random.Generator) -> MotionTrace:
    """Rigid jumps of a fetal head at random times, each to a new pose that persists."""
    times = np.sort(generator.uniform(0.1, 0.9, n)) * duration_s
    shift, angle = generator.normal(0, 0.045, (n, 2)), generator.normal(0, 0.13, n)
    return MotionTrace(
        jump_times_s=tuple(times.tolist()),
        jump_shift=tuple((float(y), float(x)) for y, x in shift),
        jump_angle_rad=tuple(angle.tolist()),
    )


def scene_image(
    parts: tuple[Part, ...], motion: MotionTrace, time_s: float, n: int, *, z: float = 0.0, seed: int = 0
) -> Floats:
    """The scene at one time, on n x n points (y, x) of the cut at height ``z``; the seed is that of the textures."""
    axis = (2 * (np.arange(n) + 0.5) / n - 1.0).astype(np.float32)
    y, x = axis[:, None], axis[None, :]
    image = np.zeros((n, n), np.float32)
    for number, part in enumerate(parts):
        image += _part_image(part, motion, time_s, (y, x), z, np.random.default_rng([seed, number]))
    return np.maximum(image, 0.0)


def _part_image(
    part: Part, motion: MotionTrace, time_s: float, at: tuple[Floats, Floats], z: float, generator: np.random.Generator
) -> Floats:
    y, x = at
    shift_y, shift_x, angle = motion.pose(time_s) if part.rigid else (0.0, 0.0, 0.0)
    y, x = y - shift_y - part.breath * motion.breath(time_s), x - shift_x
    y, x = math.cos(angle) * y + math.sin(angle) * x, math.cos(angle) * x - math.sin(angle) * y
    y, x = y - part.centre[0], x - part.centre[1]
    y, x = (
        math.cos(part.angle_rad) * y + math.sin(part.angle_rad) * x,
        math.cos(part.angle_rad) * x - math.sin(part.angle_rad) * y,
    )
    size = 1.0 - part.beat * motion.beat(time_s)
    y, x = y / (size * part.radii[0]), x / (size * part.radii[1])
    depth = (z - part.centre[2]) / part.radii[2]
    radius = np.sqrt(y * y + x * x + depth * depth)
    step = 2.0 / max(at[0].shape) / (size * min(part.radii[:2]))
    inside = np.clip((1.0 - radius) / (EDGE_PIXELS * step) + 0.5, 0.0, 1.0)
    if part.texture:
        inside = inside * (1.0 + part.texture * _texture(y * part.radii[0], x * part.radii[1], z, generator))
    return np.asarray(part.value * inside, np.float32)


def _texture(y: Floats, x: Floats, z: float, generator: np.random.Generator) -> Floats:
    """Sum of waves of many lengths, mean 0 and variance 1, in the part's own coordinates."""
    total = np.zeros(np.broadcast_shapes(y.shape, x.shape), np.float32)
    for _ in range(N_WAVES):
        length = 0.05 * 12 ** generator.uniform()  # of the unit square's half side
        direction = generator.normal(size=3)
        wy, wx, wz = (2 * math.pi / length * direction / np.linalg.norm(direction)).tolist()
        total += np.cos(wy * y + wx * x + np.float32(wz * z + generator.uniform(0, 2 * math.pi)))
    return np.asarray(total * math.sqrt(2.0 / N_WAVES), np.float32)
