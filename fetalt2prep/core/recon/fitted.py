"""The fitted field, to be asked for volumes of any resolution and orientation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from fetalt2prep.core.field.build import FieldSpec
from fetalt2prep.core.field.echo import EchoField, SeparateFields

POINTS_AT_ONCE = 2**17


@dataclass(frozen=True, kw_only=True)
class FittedField:
    """A field with what it takes to sample it: its description, the intensity scale, and where it is defined."""

    spec: FieldSpec
    field: EchoField | SeparateFields
    scale: float
    """Scanner units per unit of the field."""
    mask: NDArray[np.bool_]
    """(x, y, z), on the grid of the reconstruction."""
    echo_stderr: NDArray[np.float32]
    """(echo, x, y, z), scanner units, on the same grid; NaN outside the mask."""
    affine: NDArray[np.float64]
    """(4, 4), index of that grid to world millimetres."""

    def grid_at(self, spacing_mm: float) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
        """Shape and affine of the world-aligned grid over the same box at another spacing, mm."""
        if not 0.1 <= spacing_mm <= 10.0:
            raise ValueError(f"A spacing of {spacing_mm} mm is asked of the field; give 0.1 to 10 mm.")
        step = np.linalg.norm(self.affine[:3, :3], axis=0)
        nx, ny, nz = (int((n - 1) * s / spacing_mm + 1e-6) + 1 for n, s in zip(self.mask.shape, step, strict=True))
        affine = self.affine.copy()
        affine[:3, :3] *= spacing_mm / step
        return (nx, ny, nz), affine


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """Volumes of a fitted field on some grid."""

    te_s: NDArray[np.float64]
    """(echo,) ascending."""
    echoes: NDArray[np.float32]
    """(echo, x, y, z), scanner units, 0 outside the mask."""
    echo_stderr: NDArray[np.float32]
    """(echo, x, y, z), interpolated from the reconstruction's grid, NaN outside the mask."""
    mask: NDArray[np.bool_]
    """(x, y, z)."""
    affine: NDArray[np.float64]
    """(4, 4), index to world millimetres."""


@torch.no_grad()
def sample(fitted: FittedField, shape: Sequence[int], affine: NDArray[np.float64]) -> Sampled:
    """Echoes at the points of any grid, also an oblique one.

    The field is asked at each point by itself, without a point spread function. Mask and standard error are
    interpolated from the grid of the reconstruction: finer points hold more detail of the field's own smoothness, not
    more measurements.
    """
    index = np.moveaxis(np.indices(tuple(shape[:3])), 0, -1).reshape(-1, 3)
    points_mm = index @ affine[:3, :3].T + affine[:3, 3]
    known = np.linalg.inv(fitted.affine)
    at = (points_mm @ known[:3, :3].T + known[:3, 3]).T
    inside = ndimage.map_coordinates(fitted.mask.astype(np.float32), at, order=1, cval=0.0) >= 0.5 - 1e-6
    n_echoes = len(fitted.spec.te_s)
    echoes = np.zeros((n_echoes, len(index)), dtype=np.float32)
    stderr = np.full((n_echoes, len(index)), np.nan, dtype=np.float32)
    echoes[:, inside] = _echoes_at(fitted, points_mm[inside])
    stderr[:, inside] = _interpolated(fitted.echo_stderr, fitted.mask, at[:, inside])
    return Sampled(
        te_s=np.round(fitted.spec.te_s, 6),
        echoes=echoes.reshape(n_echoes, *shape[:3]),
        echo_stderr=stderr.reshape(n_echoes, *shape[:3]),
        mask=inside.reshape(tuple(shape[:3])),
        affine=np.asarray(affine, dtype=np.float64),
    )


def _echoes_at(fitted: FittedField, points_mm: NDArray[np.float64]) -> NDArray[np.float32]:
    """Signal at world points (n, 3) -> (echo, n), scanner units; in pieces, as a network's layers are wide."""
    device = next(fitted.field.parameters()).device
    pieces = [
        torch.exp(fitted.field(torch.as_tensor(piece, dtype=torch.float32, device=device))).cpu().numpy()
        for piece in np.array_split(points_mm, max(1, -(-len(points_mm) // POINTS_AT_ONCE)))
    ]
    return np.asarray(np.concatenate(pieces, axis=1) * fitted.scale, dtype=np.float32)


def _interpolated(values: NDArray[np.float32], mask: NDArray[np.bool_], at: NDArray[np.float64]) -> NDArray[np.float32]:
    """Linear interpolation of (echo, x, y, z) between voxels of the mask alone, at indices (3, n) -> (echo, n)."""
    share = ndimage.map_coordinates(mask.astype(np.float64), at, order=1)
    filled = np.where(mask, values, 0.0)
    return np.stack([ndimage.map_coordinates(echo, at, order=1) / np.maximum(share, 1e-6) for echo in filled])
