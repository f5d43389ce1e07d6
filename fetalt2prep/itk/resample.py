"""A volume on the grid of another."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from fetalt2prep.itk.volume import Volume, to_itk


def resample(volume: Volume, grid: Volume, transform: sitk.Transform) -> NDArray[np.float32]:
    """Trilinear values of a volume on a grid, 0 outside; the transform takes grid points to the volume's."""
    return _resample(volume, grid, transform, sitk.sitkLinear)


def resample_sharp(volume: Volume, grid: Volume, transform: sitk.Transform) -> NDArray[np.float32]:
    """The same by a windowed sinc (Lanczos, 4 voxels each way), which keeps fine detail; a volume that was not
    negative stays so.
    """
    values = _resample(volume, grid, transform, sitk.sitkLanczosWindowedSinc)
    return values if (volume.values < 0).any() else np.maximum(values, 0.0)


def _resample(volume: Volume, grid: Volume, transform: sitk.Transform, how: int) -> NDArray[np.float32]:
    moved = sitk.Resample(to_itk(volume), to_itk(grid), transform, how, 0.0)
    return np.asarray(sitk.GetArrayFromImage(moved).T, np.float32)
