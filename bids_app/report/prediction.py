"""What the reconstruction says a measured slice should look like, computed again from the derivatives.

The forward model is that of the reconstruction (docs/method.md) on its stored volume: in-plane Gaussian blur, slice
profile along the
moved normal by the same quadrature, trilinear interpolation, gain of the slice. It is not the prediction of the run
itself: the
stored volume ends at the brain mask, so pixels at its edge miss what lies outside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
FWHM_TO_SIGMA = 1.0 / (2.0 * math.sqrt(2.0 * math.log(2.0)))
IN_PLANE_FWHM_PIXELS = 1.086
"""In-plane full width at half maximum, pixels, as in the reconstruction; a test compares."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A volume and where it lies."""

    values: Floats
    """(x, y, z)."""
    affine: Doubles
    """(4, 4), index to world millimetres."""

    @property
    def spacing_mm(self) -> Doubles:
        """Voxel size (3,)."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0))

    def at(self, points_mm: Doubles, order: int = 1) -> Floats:
        """Values at world points (..., 3); 0 outside."""
        inverse = np.linalg.inv(self.affine)
        index = points_mm @ inverse[:3, :3].T + inverse[:3, 3]
        found = ndimage.map_coordinates(self.values, np.moveaxis(index, -1, 0), order=order, mode="constant", cval=0.0)
        return np.asarray(found, dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class StackSlices:
    """One stack as it entered the reconstruction, and its rows of the slice table; slices on the third axis."""

    stack: Placed
    mask: NDArray[np.bool_]
    """(x, y, slice)."""
    to_recon: Doubles
    """(slice, 3, 4), world point of the stack to world point of the reconstruction; NaN without a row."""
    gain: Doubles
    """(slice,)."""
    thickness_mm: float


def predict(slices: StackSlices, echo: Placed, profile: str = "box") -> Floats:
    """Predicted pixels (x, y, slice) in the units of the echo; NaN outside the mask and for slices without a pose."""
    voxel_mm = float(np.mean(slices.stack.spacing_mm[:2]))
    sigma_mm = IN_PLANE_FWHM_PIXELS * voxel_mm * FWHM_TO_SIGMA
    offsets_mm, weights = quadrature(slices.thickness_mm, sigma_mm, profile)
    variance = (sigma_mm / echo.spacing_mm) ** 2 - 1 / 6  # trilinear interpolation blurs by a sixth of a voxel squared
    smooth = Placed(
        values=ndimage.gaussian_filter(echo.values, np.sqrt(np.maximum(variance, 0.0)), mode="constant"),
        affine=echo.affine,
    )
    predicted = np.full(slices.stack.values.shape, np.nan, dtype=np.float32)
    known = np.isfinite(slices.to_recon).all(axis=(1, 2))
    index = np.argwhere(slices.mask & known)
    if not len(index):
        return predicted
    matrix = slices.to_recon[index[:, 2]]
    points = index @ slices.stack.affine[:3, :3].T + slices.stack.affine[:3, 3]
    moved = np.einsum("nij,nj->ni", matrix[:, :, :3], points) + matrix[:, :, 3]
    normal = np.cross(slices.stack.affine[:3, 0], slices.stack.affine[:3, 1])
    normals = matrix[:, :, :3] @ (normal / np.linalg.norm(normal))
    total = np.zeros(len(index), dtype=np.float64)
    for offset_mm, weight in zip(offsets_mm, weights, strict=True):
        total += weight * smooth.at(moved + offset_mm * normals)
    predicted[tuple(index.T)] = slices.gain[index[:, 2]] * total
    return predicted


def quadrature(thickness_mm: float, blur_sigma_mm: float, profile: str) -> tuple[Doubles, Doubles]:
    """Offsets along the normal (mm) and weights that sum to one, of the profiles ``box`` and ``gaussian``."""
    if profile == "box":
        n = max(1, math.ceil(thickness_mm / (1.9 * blur_sigma_mm)))
        return ((np.arange(n) + 0.5) / n - 0.5) * thickness_mm, np.full(n, 1.0 / n)
    sigma = math.sqrt(max((thickness_mm * FWHM_TO_SIGMA) ** 2 - blur_sigma_mm**2, 0.0))
    half = max(1, math.ceil(2.4 * sigma / (1.9 * blur_sigma_mm)))
    steps = np.linspace(-2.4, 2.4, 2 * half + 1)
    weights = np.exp(-0.5 * steps**2)
    weights /= weights.sum()
    return steps / math.sqrt(float(weights @ steps**2)) * sigma, weights


def interpolated(stacks: list[Placed], points_mm: Doubles) -> Floats:
    """Mean of the stacks at world points (..., 3) where their headers put them: no motion correction, no model.

    NaN where none is.
    """
    total, seen = np.zeros(points_mm.shape[:-1]), np.zeros(points_mm.shape[:-1])
    for stack in stacks:
        inside = Placed(values=np.ones_like(stack.values), affine=stack.affine).at(points_mm) > 0.99
        total += np.where(inside, stack.at(points_mm), 0.0)
        seen += inside
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(seen > 0, total / np.maximum(seen, 1), np.nan), dtype=np.float32)
