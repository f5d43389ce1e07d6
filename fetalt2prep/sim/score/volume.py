"""Volumes of a truth or a reconstruction, read from NIfTI."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from fetalt2prep.itk.volume import Volume


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
