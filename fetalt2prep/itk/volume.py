"""A volume with its frame, and the same for ITK."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Volume:
    """A volume (x, y, z) and its affine, index -> world mm RAS."""

    values: NDArray[np.float32]
    affine: Doubles


def to_itk(volume: Volume) -> sitk.Image:
    """ITK image with the same world frame (ITK counts left and posterior as positive)."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.values.astype(np.float32).T))
    axes = RAS_TO_LPS @ volume.affine[:3, :3]
    spacing = np.linalg.norm(axes, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((axes / spacing).ravel().tolist())
    image.SetOrigin((RAS_TO_LPS @ volume.affine[:3, 3]).tolist())
    return image


def centroid_lps(mask: NDArray[np.bool_], affine: Doubles) -> Doubles:
    """Centre of a mask in ITK's world, mm, (3,)."""
    middle = np.argwhere(mask).mean(0)
    return np.asarray(RAS_TO_LPS @ (affine[:3, :3] @ middle + affine[:3, 3]))
