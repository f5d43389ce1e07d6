"""The fine grid that a guide asks for, over the field of view of the coarse one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MARGIN = 3  # coarse voxels around the mask that stay in the box
MOST_VOXELS = 400**3  # of a fine grid; more takes days and more memory than a workstation has

Doubles = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class FineGrid:
    """Box of the coarse grid that is refined, and the fine grid whose outer faces are those of the box."""

    box: tuple[slice, slice, slice]
    shape: tuple[int, int, int]
    affine: Doubles
    """(4, 4), index on the fine grid -> world mm."""
    whole_shape: tuple[int, ...]
    whole_affine: Doubles
    """Of the coarse grid, from which the box was cut."""

    @property
    def finer(self) -> bool:
        """Whether any axis has more voxels than the coarse maps."""
        return self.shape != self.coarse_shape

    @property
    def coarse_shape(self) -> tuple[int, int, int]:
        """Coarse voxels in the box."""
        nx, ny, nz = (part.stop - part.start for part in self.box)
        return nx, ny, nz

    @property
    def factors(self) -> tuple[float, float, float]:
        """Fine voxels per coarse voxel along each axis."""
        x, y, z = (n / few for n, few in zip(self.shape, self.coarse_shape, strict=True))
        return x, y, z

    @property
    def voxel_mm(self) -> tuple[float, float, float]:
        """Edges of a fine voxel, mm."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    def nearest(self, values: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A mask on the whole coarse grid (x, y, z), on the fine one: that of the coarse voxel around its centre."""
        idx = [((np.arange(n) + 0.5) / factor).astype(int) for n, factor in zip(self.shape, self.factors, strict=True)]
        return np.asarray(values[self.box][np.ix_(*idx)])

    def pasted(self, values: NDArray[np.float32], outside: float) -> tuple[NDArray[np.float32], Doubles]:
        """Values on the fine grid (x, y, z) with its affine; where nothing got finer, on the whole grid of the maps.

        outside: the value of what the fine grid leaves out.
        """
        if self.finer:
            return values, self.affine
        whole = np.full(self.whole_shape, outside, np.float32)
        whole[self.box] = values
        return whole, self.whole_affine


def step_along(affine: Doubles, direction: Doubles) -> float:
    """Length in mm of one voxel of a grid along a direction of the world, (3,)."""
    unit = direction / np.linalg.norm(direction)
    return float(1.0 / np.linalg.norm(np.linalg.solve(affine[:3, :3], unit)))


def fine_grid(mask: NDArray[np.bool_], affine: Doubles, guide_affine: Doubles, voxel_mm: float | None) -> FineGrid:
    """Grid with the voxels of the guide along each axis of the coarse maps, never larger than theirs.

    Axes keep their direction, and outer faces coincide, so that the fine grid is cut to the coarse one in k-space. Only
    the box of the mask with a margin of 3 voxels is kept.

    Parameters
    ----------
    mask
        Where the coarse maps are known, (x, y, z); not empty.
    affine, guide_affine
        (4, 4) of the maps and of the finest guide.
    voxel_mm
        Edge of a voxel in place of the guide's.

    Raises
    ------
    ValueError
        The grid would have more than 64 million voxels.
    """
    axes = affine[:3, :3]
    spacing = np.linalg.norm(axes, axis=0)
    steps = [step_along(guide_affine, axes[:, a]) if voxel_mm is None else voxel_mm for a in range(3)]
    where = np.argwhere(mask)
    low = np.maximum(where.min(0) - MARGIN, 0)
    high = np.minimum(where.max(0) + 1 + MARGIN, mask.shape)
    few = high - low
    n = [max(int(k), round(float(k * mm / step))) for k, mm, step in zip(few, spacing, steps, strict=True)]
    if math.prod(n) > MOST_VOXELS:
        raise ValueError(
            f"the result would have {' x '.join(map(str, n))} voxels; at most {MOST_VOXELS / 1e6:.0f} million can be "
            "refined. Ask for larger voxels."
        )
    scale = few / np.asarray(n, float)
    fine = np.eye(4)
    fine[:3, :3] = axes * scale
    fine[:3, 3] = affine[:3, 3] + axes @ (low + 0.5 * scale - 0.5)
    x, y, z = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    shape = (n[0], n[1], n[2])
    return FineGrid(box=(x, y, z), shape=shape, affine=fine, whole_shape=mask.shape, whole_affine=affine)
