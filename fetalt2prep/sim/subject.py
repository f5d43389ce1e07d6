"""Who is scanned: labels on a fine grid, and the sizes that prescription, fluid and coil are made for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fetalt2prep.sim.anatomy import draw_anatomy
from fetalt2prep.sim.phantom import SCALP_MM, SKULL_MM, HeadGrid, Label, head_labels

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A head at rest in its own frame: mm, x to the right, y forward, z up, origin in the middle of the brain."""

    labels: NDArray[np.uint8]  # (x, y, z)
    grid: HeadGrid
    brain_low_mm: Doubles  # (3,) corner of the box that stacks cover
    brain_high_mm: Doubles  # (3,)
    semi_axes_mm: Doubles  # (3,) of the brain
    head_semi_mm: Doubles  # (3,) of the head: what the uterus must hold
    record: dict[str, object]  # JSON-ready: where the anatomy comes from, and its draws


def draw_phantom(
    rng: np.random.Generator,
    gestational_age_weeks: float,
    brain_length_mm: float | None,
    ventricle_scale: float,
    grid_mm: tuple[float, int],
) -> Subject:
    """Draw an analytic fetal head; ``grid_mm``: spacing of its grid, and a number that divides the grid's shape."""
    anatomy = draw_anatomy(rng, gestational_age_weeks, brain_length_mm, ventricle_scale)
    grid = HeadGrid.around(anatomy, *grid_mm)
    semi = np.asarray(anatomy.semi_axes_mm)
    return Subject(
        labels=head_labels(anatomy, grid),
        grid=grid,
        brain_low_mm=-semi * (1, 1, 1.12) - anatomy.csf_mm,
        brain_high_mm=semi + anatomy.csf_mm,
        semi_axes_mm=semi,
        head_semi_mm=1.2 * semi + anatomy.csf_mm + 4.0,
        record=anatomy.as_dict(),
    )


def wrap_brain(
    labels: NDArray[np.uint8], spacing_mm: float, skull_mm: float = SKULL_MM, scalp_mm: float = SCALP_MM
) -> NDArray[np.uint8]:
    """Labels with fluid in the brain's gaps and, around it, a skull and a scalp; what is labelled stays as it is.

    Gaps are what a closing by 3 mm fills. The grid must leave room for skull and scalp at its borders. The head's
    surface is smooth, so its distance is computed on every second voxel and interpolated.
    """
    coarse_mm = 2.0 * spacing_mm
    near = _distance_mm(labels[::2, ::2, ::2] > 0, coarse_mm) <= 3.0
    closed = ndimage.binary_fill_holes(_distance_mm(~near, coarse_mm) > 3.0)
    signed = _distance_mm(closed, coarse_mm) - _distance_mm(~closed, coarse_mm)
    outside = upsample(signed, np.diag([0.5, 0.5, 0.5, 1.0]), labels.shape)  # mm, 0 on the surface of what is closed
    out = labels.copy()
    free = labels == 0
    out[free & (outside <= 0)] = Label.EXTRA_AXIAL_CSF
    out[free & (outside > 0) & (outside <= skull_mm)] = Label.SKULL
    out[free & (outside > skull_mm) & (outside <= skull_mm + scalp_mm)] = Label.SCALP
    return out


def _distance_mm(mask: NDArray[np.bool_], spacing_mm: float) -> Floats:
    """Distance of every voxel outside a mask to the mask's border, half a voxel less than to its voxels' centres."""
    distance = ndimage.distance_transform_edt(~mask).astype(np.float32)
    return np.asarray(np.maximum(distance - 0.5, 0.0) * np.float32(spacing_mm))


def upsample(volume: Floats, from_grid: Doubles, shape: tuple[int, ...]) -> Floats:
    """Trilinear values of a volume on a grid of some shape, whose indices an affine takes to the volume's.

    Outside, the volume's border goes on. Axis by axis where the axes agree, which is much faster.
    """
    matrix, offset = from_grid[:3, :3], from_grid[:3, 3]
    if np.abs(matrix - np.diag(np.diag(matrix))).max() > 1e-6:
        return np.asarray(ndimage.affine_transform(volume, matrix, offset, shape, np.float32, order=1, mode="nearest"))
    out = volume
    for axis in range(3):
        place = matrix[axis, axis] * np.arange(shape[axis]) + offset[axis]
        last = volume.shape[axis] - 1
        low = np.clip(np.floor(place).astype(int), 0, max(last - 1, 0))
        above = np.clip(place - low, 0.0, 1.0).astype(np.float32)
        above = np.expand_dims(above, tuple({0, 1, 2} - {axis}))
        out = np.take(out, low, axis) * (1 - above) + np.take(out, np.minimum(low + 1, last), axis) * above
    return out


def subject_of_labels(labels: NDArray[np.uint8], grid: HeadGrid, record: dict[str, object]) -> Subject:
    """A subject from finished labels; the frame's origin is where the grid says."""
    low, high = _box_mm((labels >= 1) & (labels <= Label.BRAINSTEM), grid)
    head_low, head_high = _box_mm(labels > 0, grid)
    return Subject(
        labels=labels,
        grid=grid,
        brain_low_mm=low,
        brain_high_mm=high,
        semi_axes_mm=(high - low) / 2,
        head_semi_mm=1.15 * np.maximum(-head_low, head_high),
        record=record,
    )


def _box_mm(mask: NDArray[np.bool_], grid: HeadGrid) -> tuple[Doubles, Doubles]:
    """Lowest and highest coordinates of a mask, (3,) mm each."""
    profiles = [np.flatnonzero(mask.any(tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    ends = np.array([[axis[0], axis[-1]] for axis in profiles])
    box = np.asarray(grid.origin_mm)[:, None] + grid.spacing_mm * ends
    return box[:, 0], box[:, 1]
