"""How many slices measure each place: the density of the data, and where it does not determine the volume.

Each pixel spreads one measurement over the points it sees, as its point spread function does. What a point receives,
weighted as the fit weights the pixels, in units of a pixel's own volume (area times slice thickness), is the number of
slices that measure it: 3 where three stacks of adjoining slices cross, 0 in a gap or behind a void.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from fetalt2prep.core.recon.field_fit import Scene
from fetalt2prep.core.recon.slices import Slices
from fetalt2prep.core.stack import Stack

LEAST_DENSITY = 0.5  # slices at one echo time; a chosen limit: less than half a measurement
LEAST_MM3 = 30.0  # of a region that is listed; a pixel of 1.5 x 1.5 x 4.5 mm has 10
MOST_REGIONS = 50  # largest first


def data_density(scene: Scene, slices: Slices, stacks: Sequence[Stack]) -> Tensor:
    """Effective number of slice measurements at the lattice's points at every echo time, (echo, n).

    The adjoint of the slices' response to the weights of their pixels, in volumes of a pixel.
    """
    pixel_mm3 = [float(np.prod(stack.spacing_mm[:2])) * stack.thickness_mm for stack in stacks]
    volume_mm3 = torch.tensor(pixel_mm3, dtype=torch.float32, device=scene.values.device)[slices.stack_of]
    cells = volume_mm3[slices.slice_idx] / scene.lattice.grid.spacing_mm**3
    return scene.response.adjoint(scene.weight * cells)


def under_determined(
    density: NDArray[np.float32], mask: NDArray[np.bool_], affine: NDArray[np.float64], te_s: NDArray[np.float64]
) -> list[dict[str, object]]:
    """Connected regions of the mask whose density is below ``LEAST_DENSITY`` at some echo time, largest first.

    density: (echo, x, y, z). Each region: ``centre_mm`` (mean of its voxels, world), ``volume_mm3``, ``te_s`` (echo
    times that lack data in half of it or more; those that lack most when none does) and ``share_of_mask``.
    """
    lacking = (density < LEAST_DENSITY) & mask
    labels, n_regions = ndimage.label(lacking.any(0))
    voxel_mm3 = float(abs(np.linalg.det(affine[:3, :3])))
    sizes = np.bincount(labels.ravel(), minlength=n_regions + 1)
    largest = [label for label in 1 + np.argsort(-sizes[1:], kind="stable") if sizes[label] * voxel_mm3 >= LEAST_MM3]
    regions: list[dict[str, object]] = []
    for label in largest[:MOST_REGIONS]:
        here = labels == label
        centre = affine[:3, :3] @ np.argwhere(here).mean(0) + affine[:3, 3]
        share = lacking[:, here].mean(1)
        which = share >= min(0.5, float(share.max()))
        regions.append(
            {
                "centre_mm": [round(float(value), 1) for value in centre],
                "volume_mm3": round(float(sizes[label]) * voxel_mm3, 1),
                "te_s": [round(float(te), 6) for te in te_s[which]],
                "share_of_mask": round(float(sizes[label]) / max(int(mask.sum()), 1), 4),
            }
        )
    return regions
