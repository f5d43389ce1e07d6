"""A volume with its frame, read from NIfTI and handed to ITK."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
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


def read_volume(path: Path) -> Volume:
    """Read a NIfTI volume; NaN becomes 0. Raises ValueError when it is absent, broken or of another kind."""
    try:
        image = nib.load(path)
        if not isinstance(image, nib.Nifti1Image):
            raise ValueError(f"{path}: not a NIfTI-1 file; convert it to .nii.gz.")
        values = image.get_fdata(dtype=np.float32)
    except FileNotFoundError as error:
        raise ValueError(f"{path}: there is no such file.") from error
    except (OSError, EOFError, nib.filebasedimages.ImageFileError) as error:
        raise ValueError(f"{path}: cannot be read as NIfTI ({error}); was it copied whole?") from error
    return Volume(np.nan_to_num(np.squeeze(values)), np.asarray(image.affine, float))


def to_itk(volume: Volume) -> sitk.Image:
    """ITK image with the same world frame (ITK counts left and posterior as positive)."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.values.astype(np.float32).T))
    axes = RAS_TO_LPS @ volume.affine[:3, :3]
    spacing = np.linalg.norm(axes, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((axes / spacing).ravel().tolist())
    image.SetOrigin((RAS_TO_LPS @ volume.affine[:3, 3]).tolist())
    return image


def resample(volume: Volume, grid: Volume, transform: sitk.Transform) -> NDArray[np.float32]:
    """Trilinear values of a volume on a grid, 0 outside; the transform takes grid points to the volume's."""
    moved = sitk.Resample(to_itk(volume), to_itk(grid), transform, sitk.sitkLinear, 0.0)
    return np.asarray(sitk.GetArrayFromImage(moved).T, np.float32)
