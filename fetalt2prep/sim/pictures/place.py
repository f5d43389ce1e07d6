"""Where things are: turned and bent ellipsoids, and the points of a stack at which they are asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.sim.pictures.noise_field import Floats, draw_smooth

Doubles = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Lattice:
    """Points at which a stack is drawn, finer than its voxels; origin in the middle, axes along the stack's."""

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]

    def axes_mm(self) -> tuple[Floats, Floats, Floats]:
        """Coordinates that broadcast: (x, 1, 1), (1, y, 1), (1, 1, slice)."""
        x, y, z = (
            ((np.arange(n) - (n - 1) / 2) * mm).astype(np.float32)
            for n, mm in zip(self.shape, self.spacing_mm, strict=True)
        )
        return x[:, None, None], y[None, :, None], z[None, None, :]

    @property
    def half_mm(self) -> Doubles:
        """Half the field of view along each axis, (3,)."""
        return np.asarray(np.asarray(self.shape) * np.asarray(self.spacing_mm) / 2, np.float64)

    def box(self, centre_mm: Doubles, radius_mm: float) -> tuple[slice, slice, slice] | None:
        """Part of the lattice around a point; None when it is out of view."""
        middle = (np.asarray(self.shape) - 1) / 2
        low = np.floor((centre_mm - radius_mm) / self.spacing_mm + middle).astype(int)
        high = np.ceil((centre_mm + radius_mm) / self.spacing_mm + middle).astype(int) + 1
        low, high = np.maximum(low, 0), np.minimum(high, self.shape)
        if (high - low < 2).any():
            return None
        x, y, z = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        return x, y, z


def draw_rotation(rng: np.random.Generator) -> Doubles:
    """A rotation matrix, any with equal chance."""
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    q = q * np.sign(np.diag(r))
    return np.asarray(q * np.sign(np.linalg.det(q)))


def distances(
    rng: np.random.Generator,
    lattice: Lattice,
    box: tuple[slice, slice, slice],
    centre_mm: Doubles,
    axes: tuple[Doubles, Doubles],
    bend: float,
) -> Floats:
    """Radius in a bent ellipsoid, 1 on its surface, on a box of the lattice; ``axes``: semi axes, mm, and rotation."""
    semi_mm, rotation = axes
    matrix = (rotation.T / semi_mm[:, None]).astype(np.float32)
    full = lattice.axes_mm()
    x, y, z = (
        axis[tuple(box[n] if m == n else slice(None) for m in range(3))] - np.float32(centre_mm[n])
        for n, axis in enumerate(full)
    )
    square = np.float32(0)
    for row in matrix:  # three axes of the ellipsoid
        square = square + (row[0] * x + row[1] * y + row[2] * z) ** 2
    radius = np.sqrt(square)
    if bend > 0:
        scale = float(np.clip(1.2 * semi_mm.min(), 6.0, 60.0))
        radius = radius * (1 + np.float32(bend) * draw_smooth(rng, radius.shape, lattice.spacing_mm, scale))
    return np.asarray(radius, np.float32)
