"""Stacks as rough pictures of one resolution and one scale, to be compared with each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from fetalt2prep.core.geometry import Grid
from fetalt2prep.core.stack import Stack

SPACING_MM = 3.0
BORDER_MM = 6.0
"""Skull and fluid around the brain: the outline of the head says where it lies, whatever the mask says."""
MAX_POINTS = 1000
REACH_MM = 75.0
"""Half the edge of the box around the heads: a head near term is 125 mm long."""
FWHM_TO_SIGMA = 1 / 2.3548


@dataclass(frozen=True, kw_only=True)
class Rough:
    """A stack, blurred in its slices to about its thickness, square root of the signal, 1 in the mean of its mask."""

    picture: Tensor  # (x, y, slice)
    mask: Tensor  # (x, y, slice), 0 or 1
    world_to_index: Tensor  # (4, 4)
    points_mm: Tensor  # (n, 3) of the mask and its border
    values: Tensor  # (n,)
    centre_mm: Tensor  # (3,), middle of the mask

    def at(self, volume: Tensor, points_mm: Tensor) -> tuple[Tensor, Tensor]:
        """Values of a volume on the stack's grid at world points (*, 3), and whether they lie in the stack, (*)."""
        index = points_mm @ self.world_to_index[:3, :3].T + self.world_to_index[:3, 3]
        size = torch.tensor(volume.shape, dtype=index.dtype)
        inside = ((index >= -0.5) & (index <= size - 0.5)).all(-1)
        where = 2 * index / (size - 1).clamp(min=1) - 1
        flat = where.flip(-1).reshape(1, -1, 1, 1, 3)
        seen = torch.nn.functional.grid_sample(volume[None, None], flat, align_corners=True, padding_mode="border")
        return seen.reshape(points_mm.shape[:-1]) * inside, inside


def rough_stack(stack: Stack) -> Rough | None:
    """Rough picture of a stack; None without a pixel in its mask, or without signal there."""
    if not stack.mask.any():
        return None
    picture = blurred(stack)
    level = float(picture[stack.mask].mean())
    if not level > 0:
        return None
    border = np.maximum(1, np.round(BORDER_MM / stack.spacing_mm)).astype(int)
    region = ndimage.binary_dilation(stack.mask, structure=ellipsoid(border))
    voxels = np.argwhere(region)
    voxels = voxels[:: max(1, len(voxels) // MAX_POINTS)]
    points = voxels @ stack.affine[:3, :3].T + stack.affine[:3, 3]
    centre = stack.affine[:3, :3] @ np.argwhere(stack.mask).mean(0) + stack.affine[:3, 3]
    return Rough(
        picture=torch.as_tensor(picture / level, dtype=torch.float32),
        mask=torch.as_tensor(stack.mask, dtype=torch.float32),
        world_to_index=torch.as_tensor(np.linalg.inv(stack.affine), dtype=torch.float32),
        points_mm=torch.as_tensor(points, dtype=torch.float32),
        values=torch.as_tensor(picture[tuple(voxels.T)] / level, dtype=torch.float32),
        centre_mm=torch.as_tensor(centre, dtype=torch.float32),
    )


def blurred(stack: Stack) -> NDArray[np.float64]:
    """Square root of the signal, blurred in the slices to their thickness: fluid outshines tissue at long TE."""
    sigma = FWHM_TO_SIGMA * stack.thickness_mm / stack.spacing_mm[:2]
    smooth = ndimage.gaussian_filter(stack.pixels.astype(np.float64), (*sigma, 0.0))
    return np.asarray(np.sqrt(np.maximum(smooth, 0.0)))


def ellipsoid(radii: NDArray[np.int_]) -> NDArray[np.bool_]:
    """Flat structuring element with these radii in voxels, (3,)."""
    axes = np.ogrid[tuple(slice(-int(r), int(r) + 1) for r in radii)]
    return np.asarray(sum((axis / max(int(r), 1)) ** 2 for axis, r in zip(axes, radii, strict=True)) <= 1.0)


def common_grid(centre_mm: Tensor) -> Grid:
    """The box in which the heads are compared."""
    corners = torch.stack((centre_mm - REACH_MM, centre_mm + REACH_MM))
    return Grid.around(corners, SPACING_MM, 0.0)
