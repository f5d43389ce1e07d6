"""Analytic head phantom: labels on a grid of any size and resolution.

Every structure is an inequality in head coordinates (millimetres), so that a finer grid shows the same head
with sharper edges. Only the cortical ribbon uses the grid: it is what lies within one thickness of the folded
surface.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fetalt2prep.sim.anatomy import Anatomy

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
SKULL_MM, SCALP_MM = 1.8, 2.6
MAX_VOXELS = 2e8  # of a grid: beyond it memory runs out before anything else says so


class Label(IntEnum):
    """What a voxel is made of; 1 to 7 are brain and the fluid around it."""

    EMPTY = 0
    WHITE_MATTER = 1
    VENTRICLES = 2
    CEREBELLUM = 3
    EXTRA_AXIAL_CSF = 4
    CORTICAL_GREY = 5
    DEEP_GREY = 6
    BRAINSTEM = 7
    SKULL = 11
    SCALP = 12
    AMNIOTIC_FLUID = 13
    UTERUS = 14
    MATERNAL_TISSUE = 15


LAST_BRAIN_LABEL = Label.BRAINSTEM


@dataclass(frozen=True)
class HeadGrid:
    """Regular grid in the head frame: index ``i`` lies at ``origin + i * spacing``, millimetres."""

    origin_mm: tuple[float, float, float]
    spacing_mm: float
    shape: tuple[int, int, int]

    @classmethod
    def around(cls, anatomy: Anatomy, spacing_mm: float, multiple: int = 1) -> HeadGrid:
        """Smallest grid that holds the whole head with an empty rim, its shape a multiple of ``multiple``."""
        semi = np.asarray(anatomy.semi_axes_mm)
        rim = anatomy.csf_mm + SKULL_MM + SCALP_MM + 3.0 * spacing_mm
        low, high = -semi * (1.0, 1.05, 1.75) - rim, semi * (1.0, 1.22, 1.0) + rim
        return cls.holding(low, high, spacing_mm, multiple)

    @classmethod
    def holding(
        cls, low: NDArray[np.float64], high: NDArray[np.float64], spacing_mm: float, multiple: int = 1
    ) -> HeadGrid:
        """Smallest grid that holds a box, (3,) mm each, around its middle, its shape a multiple of ``multiple``."""
        if spacing_mm <= 0:
            raise ValueError(f"grid spacing is {spacing_mm} mm; it must be positive.")
        cells = np.ceil((high - low) / (spacing_mm * multiple)).astype(int) * multiple
        if cells.astype(float).prod() > MAX_VOXELS:
            raise ValueError(
                f"a grid of {spacing_mm:g} mm over {np.round(high - low)} mm has {cells.astype(float).prod():.1e} "
                f"voxels; the limit is {MAX_VOXELS:.0e}. Take a larger truth_mm."
            )
        origin = (low + high) / 2 - (cells - 1) * spacing_mm / 2
        nx, ny, nz = (int(n) for n in cells)
        return cls((float(origin[0]), float(origin[1]), float(origin[2])), spacing_mm, (nx, ny, nz))

    @property
    def affine(self) -> NDArray[np.float64]:
        """Grid index to head millimetres, (4, 4)."""
        affine = np.diag([self.spacing_mm] * 3 + [1.0])
        affine[:3, 3] = self.origin_mm
        return affine

    def axes_mm(self) -> tuple[Floats, Floats, Floats]:
        """Coordinates as three arrays that broadcast to the grid: (x, 1, 1), (1, y, 1), (1, 1, z)."""
        x, y, z = (
            np.asarray(o + self.spacing_mm * np.arange(n), np.float32)
            for o, n in zip(self.origin_mm, self.shape, strict=True)
        )
        return x[:, None, None], y[None, :, None], z[None, None, :]


def head_labels(anatomy: Anatomy, grid: HeadGrid) -> NDArray[np.uint8]:
    """Labels (x, y, z) of a head on a grid; 0 outside the head. Later lines win over earlier ones."""
    x, y, z = grid.axes_mm()
    ax, ay, az = anatomy.semi_axes_mm
    u, v, w = x / ax, y / ay, z / az
    skull = _intracranial_depth(anatomy, x, y, z)
    labels = np.zeros(grid.shape, np.uint8)
    labels[_ellipsoid(u, v, w, (0, 0.60, -0.98), (0.62, 0.52, 0.66))] = Label.SCALP  # face
    labels[((u / 0.5) ** 2 + ((v + 0.22) / 0.38) ** 2 < 1) & (w < -0.8) & (w > -1.66)] = Label.SCALP  # neck
    labels[_ellipsoid(np.abs(u), v, w, (0.34, 0.93, -0.72), (0.17, 0.14, 0.20))] = Label.AMNIOTIC_FLUID  # eyes
    labels[skull > -(SKULL_MM + SCALP_MM)] = Label.SCALP
    labels[skull > -SKULL_MM] = Label.SKULL
    labels[skull > 0] = Label.EXTRA_AXIAL_CSF
    stem = _brainstem(u, v, w)
    cerebellum = _ellipsoid(u, v, w, (0, -0.52, -0.70), (0.66, 0.37, 0.33))
    cerebellum &= ~_ellipsoid(u, v, w, (0, -0.91, -0.70), (0.05, 0.14, 0.4))  # notch between its hemispheres
    cerebrum = _cerebrum(anatomy, x, y, z) & ~_ellipsoid(u, v, w, (0, -0.52, -0.70), (0.70, 0.41, 0.39))
    inside = skull > 0.6
    _paint_cerebrum(labels, anatomy, grid, _without_islands(cerebrum & inside))
    labels[cerebellum & inside] = Label.CEREBELLUM
    labels[stem & (skull > 0)] = Label.BRAINSTEM
    labels[_ellipsoid(u, v, w, (0, -0.285, -0.70), (0.10, 0.045, 0.13))] = Label.VENTRICLES  # fourth
    return labels


def brain_mask(labels: NDArray[np.uint8]) -> Bools:
    """Brain with the fluid around it, as a person would outline it."""
    return np.asarray((labels >= 1) & (labels <= LAST_BRAIN_LABEL))


def _depth_mm(mask: Bools, spacing_mm: float) -> NDArray[np.float64]:
    """Distance of every voxel of a mask to its surface, (x, y, z); outside, minus half a voxel.

    Computed in the box that holds the mask and a rim, where it is the same: the transform needs 20 bytes a voxel.
    """
    profiles = [np.flatnonzero(mask.any(tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    box = tuple(slice(max(int(axis[0]) - 1, 0), int(axis[-1]) + 2) for axis in profiles)
    distance = np.full(mask.shape, -spacing_mm / 2)
    distance[box] = ndimage.distance_transform_edt(mask[box]) * spacing_mm - spacing_mm / 2
    return distance


def _without_islands(mask: Bools) -> Bools:
    """The mask without pieces below 1 % of it: crumbs that deep folds cut off."""
    pieces, n_pieces = ndimage.label(mask)
    if n_pieces < 2:
        return mask
    size = np.bincount(pieces.ravel())
    size[0] = 0
    return np.asarray((size > 0.01 * size.sum())[pieces])


def _ellipsoid(
    u: Floats, v: Floats, w: Floats, centre: tuple[float, float, float], semi: tuple[float, float, float]
) -> Bools:
    (a, b, c), (p, q, r) = centre, semi
    return np.asarray(((u - a) / p) ** 2 + ((v - b) / q) ** 2 + ((w - c) / r) ** 2 < 1.0)


def _intracranial_depth(anatomy: Anatomy, x: Floats, y: Floats, z: Floats) -> Floats:
    """Distance to the inner skull, mm, positive inside: an egg on a base that rises forward."""
    ax, ay, az = anatomy.semi_axes_mm
    m = anatomy.csf_mm
    y0, z0 = y + 0.02 * ay, z + 0.10 * az
    wide = 1.0 - 0.11 * y0 / ay + 0.02 * x / ax * y0 / ay
    r = np.sqrt((x / ((ax + m) * wide)) ** 2 + (y0 / (ay + m)) ** 2 + (z0 / (1.06 * az + m)) ** 2)
    return np.asarray(np.sqrt(x**2 + y0**2 + z0**2) * (1.0 / np.maximum(r, 1e-3) - 1.0), np.float32)


def _brainstem(u: Floats, v: Floats, w: Floats) -> Bools:
    """Midbrain to medulla as a leaning cylinder, with the pons in front of it."""
    lean = v + 0.12 + 0.28 * (-w - 0.3)
    cylinder = ((u / 0.155) ** 2 + (lean / 0.11) ** 2 < 1.0) & (w < -0.22) & (w > -1.5)
    return np.asarray(cylinder | _ellipsoid(u, v, w, (0, -0.15, -0.68), (0.21, 0.13, 0.17)))


def fold_wave(anatomy: Anatomy, x: Floats, y: Floats, z: Floats) -> Floats:
    """Plane waves of the direction from the origin, unit variance, points (n,); zero lines are the sulci."""
    radius = np.sqrt(x**2 + y**2 + z**2) + np.float32(1e-3)
    direction = np.stack((np.abs(x), y, z)) / radius
    wave = np.zeros_like(radius)
    right = x > 0
    for vector, (left_phase, right_phase) in zip(anatomy.waves, anatomy.phases, strict=True):  # memory: one wave
        phase = np.where(right, np.float32(right_phase), np.float32(left_phase))
        wave += np.cos(np.tensordot(vector.astype(np.float32), direction, 1) + phase)
    return np.asarray(wave * np.sqrt(2.0 / len(anatomy.waves)), np.float32)


def _cerebrum(anatomy: Anatomy, x: Floats, y: Floats, z: Floats) -> Bools:
    """What is under the pial surface: hemispheres with folds, temporal lobes, both great fissures."""
    ax, ay, az = anatomy.semi_axes_mm
    u, v, w = x / ax, y / ay, z / az
    side = np.abs(u)
    wide = 1.0 - 0.10 * v + 0.02 * u * v
    low = np.where(w < 0, np.float32(0.60), np.float32(1.0))
    r = np.sqrt((u / wide) ** 2 + v**2 + (w / low) ** 2)
    temporal = np.sqrt(((side - 0.60) / 0.34) ** 2 + ((v - 0.04) / 0.54) ** 2 + ((w + 0.46) / 0.38) ** 2)
    hull = (r < 1.0) | (temporal < 1.0)
    # Depth under the deeper of two surfaces: along the ray for the first, linear for the second.
    length = np.sqrt(x**2 + y**2 + z**2)
    depth = np.maximum(length * (1.0 / np.maximum(r, 1e-3) - 1.0), (1.0 - temporal) * 0.36 * az)
    pial = np.array(hull & (depth >= 0))
    shell = np.nonzero(pial & (depth < anatomy.sulcal_depth_mm))
    full = np.broadcast_arrays(x, y, z)
    wave = fold_wave(anatomy, *(axis[shell] for axis in full))
    slope = np.linalg.norm(anatomy.waves, axis=1).mean() * np.sqrt(2 / 3) / (0.85 * ay)  # of the wave, per mm
    shallow = np.where(full[2][shell] < -0.3 * az, np.float32(0.5), np.float32(1.0))  # the base folds less
    sulcus = shallow * anatomy.sulcal_depth_mm * np.exp(-((wave / slope) ** 2))
    pial[shell] = depth[shell] > sulcus
    callosal = np.sqrt((v / 0.52) ** 2 + ((w + 0.12) / 0.42) ** 2)
    pial &= ~((np.abs(x) < 0.9 + 0.4 * np.maximum(callosal - 1.0, 0)) & (callosal > 1.0))
    sylvian_mid = -0.20 + 0.22 * v
    sylvian = (np.abs(w - sylvian_mid) < (0.3 + 1.1 * np.maximum(side - 0.6, 0) * 4) / az) & (side > 0.60)
    pial &= ~(sylvian & (v > -0.30) & (v < 0.60))
    return np.asarray(pial)


def _paint_cerebrum(labels: NDArray[np.uint8], anatomy: Anatomy, grid: HeadGrid, cerebrum: Bools) -> None:
    """Cortex within one thickness of the surface, white matter, nuclei and ventricles; in place."""
    x, y, z = grid.axes_mm()
    ax, ay, az = anatomy.semi_axes_mm
    u, v, w = x / ax, y / ay, z / az
    side = np.abs(u)
    labels[cerebrum] = Label.WHITE_MATTER
    distance = _depth_mm(cerebrum, grid.spacing_mm)
    callosal = np.sqrt((v / 0.54) ** 2 + ((w + 0.12) / 0.44) ** 2)
    near_midline = (np.abs(x) < 4.0) & (callosal < 1.0)
    base = (side < 0.22) & (w < -0.40) & (np.abs(v + 0.05) < 0.35)
    labels[cerebrum & (distance < anatomy.cortex_mm) & ~near_midline & ~base] = Label.CORTICAL_GREY
    white = labels == Label.WHITE_MATTER
    for centre, semi in (
        ((0.20, -0.12, -0.14), (0.175, 0.21, 0.20)),  # thalamus
        ((0.44, 0.10, -0.10), (0.13, 0.27, 0.20)),  # lentiform nucleus
        ((0.25, 0.34, 0.06), (0.10, 0.16, 0.14)),  # caudate head
    ):
        labels[_ellipsoid(side, v, w, centre, semi) & white] = Label.DEEP_GREY
    third = (np.abs(x) < 0.8) & _ellipsoid(0 * u, v, w, (0, -0.08, -0.2), (1, 0.20, 0.22))
    septum = _ellipsoid(u, v, w, (0, 0.20, 0.06), (0.075, 0.20, 0.12))
    labels[cerebrum & (distance > 1.0) & (third | septum)] = Label.VENTRICLES
    labels[cerebrum & (distance > 1.0) & _lateral_ventricles(anatomy, x, y, z)] = Label.VENTRICLES


def _lateral_ventricles(anatomy: Anatomy, x: Floats, y: Floats, z: Floats) -> Bools:
    """A tube along an arch in the sagittal plane, frontal horn to temporal horn, widest at the atrium."""
    ax, ay, az = anatomy.semi_axes_mm
    p, q = (y + 0.06 * ay) / (0.44 * ay), (z + 0.10 * az) / (0.32 * az)
    angle = np.mod(np.arctan2(q, p) + 0.5 * np.pi, 2 * np.pi) - 0.5 * np.pi  # -90 deg (below) .. 270 deg
    turn = np.clip(angle / np.pi, -0.05, 1.36)  # 0 front, 0.5 top, 1 back, 1.36 temporal tip
    middle = ax * np.interp(turn, (0.0, 0.5, 1.0, 1.36), (0.15, 0.19, 0.42, 0.58))
    knots = (-0.05, 0.15, 0.5, 0.95, 1.1, 1.36)
    radius = ax * anatomy.ventricle_scale * np.interp(turn, knots, (0.03, 0.11, 0.12, 0.21, 0.16, 0.04))
    arch = (np.sqrt(p**2 + q**2) - 1.0) * 0.36 * (ay + az) / 2
    inside = (np.abs(x) - middle) ** 2 + arch**2 < radius**2
    return np.asarray(inside & (angle > -0.2) & (angle < 1.36 * np.pi))
