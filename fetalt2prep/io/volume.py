"""Volumes in NIfTI files."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fetalt2prep.io.sidecar import InputError

SPACING_RANGE_MM = (0.05, 60.0)
UNREADABLE = (OSError, EOFError, ValueError, zlib.error, ImageFileError, HeaderDataError, WrapStructError)


def save_volume(array: ArrayLike, affine: ArrayLike, path: Path, dtype: DTypeLike = np.float32) -> Path:
    """Write an array as NIfTI, not rescaled, in scanner space (sform and qform code 1); returns ``path``."""
    image = nib.Nifti1Image(np.asarray(array, dtype=dtype), np.asarray(affine, dtype=np.float64))
    image.header.set_xyzt_units("mm")
    image.set_sform(image.affine, code=1)
    image.set_qform(image.affine, code=1)
    nib.save(image, path)
    return path


def write_volume_of(image: Path, volume: int, path: Path) -> Path:
    """Write one volume of a 4-D file with its header, as floats: integers with a scale would be rounded anew; returns
    ``path``.

    Raises
    ------
    InputError
        The file has no such volume, or its pixels cannot be read.
    """
    source, shape, _ = open_image(image)
    if len(shape) != 4 or not 0 <= volume < shape[3]:
        raise InputError(f"{image.name}: has shape {' x '.join(map(str, shape))} and no volume {volume}.")
    try:
        values = np.asarray(source.dataobj[..., volume])
        values = values.astype(np.float32) if values.dtype.kind in "iufb" else values
        single = type(source)(values, source.affine, source.header)
        single.set_data_dtype(values.dtype)
        nib.save(single, path)
    except UNREADABLE as error:
        raise InputError(
            f"{image.name}: its pixels cannot be read ({_one_line(error)}). The file seems cut off; "
            "copy or convert it again."
        ) from error
    return path


def open_image(path: Path) -> tuple[Any, tuple[int, ...], NDArray[np.float64]]:
    """An image whose header was read and whose pixels were not, its shape, and its affine (4, 4) to world millimetres.

    Raises
    ------
    InputError
        Not an image, or cut off within the header.
    """
    try:
        image: Any = nib.load(path)
        image.get_data_dtype()
        return image, tuple(int(n) for n in image.shape), np.asarray(image.affine, dtype=np.float64)
    except UNREADABLE as error:
        raise InputError(
            f"{path.name}: cannot be read as NIfTI ({_one_line(error)}). Convert or copy the file again."
        ) from error


def read_volume(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float64], list[str]]:
    """Pixels (x, y, slice) in scanner units, affine (4, 4) to world millimetres, and notes.

    A 4-D file with one volume loses its fourth axis, and a 2-D file becomes a stack of one slice; both are
    noted.

    Raises
    ------
    InputError
        Not NIfTI, truncated, complex or coloured, more than one volume, or an affine that is no frame of
        space.
    """
    image, shape, affine = open_image(path)
    shape3, notes = _three_axes(shape, path.name)
    if image.get_data_dtype().kind not in "iufb":
        raise InputError(
            f"{path.name}: its pixels are not real numbers ({image.get_data_dtype()}). Give the magnitude image."
        )
    check_affine(affine, path.name)
    if hasattr(image.header, "get_sform") and not (image.header["sform_code"] or image.header["qform_code"]):
        notes.append("neither sform nor qform is set: its place in the scanner is not known")
    try:
        pixels = np.asarray(image.get_fdata(dtype=np.float32, caching="unchanged")).reshape(shape3)
    except UNREADABLE as error:
        raise InputError(
            f"{path.name}: its pixels cannot be read ({_one_line(error)}). The file seems cut off; "
            "copy or convert it again."
        ) from error
    return pixels, affine, notes


def check_affine(affine: NDArray[np.float64], name: str) -> None:
    """Refuse an affine with NaN, without volume, or whose voxel size cannot be millimetres."""
    if not np.isfinite(affine).all():
        raise InputError(f"{name}: its affine holds NaN or infinity. Convert the file again.")
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    if not ((spacing_mm > SPACING_RANGE_MM[0]) & (spacing_mm < SPACING_RANGE_MM[1])).all():
        sizes = " x ".join(f"{size:.4g}" for size in spacing_mm)
        raise InputError(f"{name}: its voxels measure {sizes} mm. Are the units of the header millimetres?")
    if abs(np.linalg.det(affine[:3, :3] / spacing_mm)) < 1e-3:
        raise InputError(f"{name}: its affine has no volume (two axes are parallel). Convert the file again.")


def _three_axes(shape: tuple[int, ...], name: str) -> tuple[tuple[int, int, int], list[str]]:
    n_volumes = int(np.prod(shape[3:])) if len(shape) > 3 else 1
    if n_volumes != 1:
        raise InputError(
            f"{name}: holds {n_volumes} volumes (shape {' x '.join(map(str, shape))}); a stack holds one. "
            "Split it into one file per echo time."
        )
    if len(shape) < 2 or min(shape) < 1:
        raise InputError(f"{name}: has shape {' x '.join(map(str, shape))}; a stack of slices has three axes.")
    notes = [f"4-D file with one volume: read as {' x '.join(map(str, shape[:3]))}"] if len(shape) > 3 else []
    nx, ny, nz = (*shape[:3], 1)[:3]
    return (nx, ny, nz), notes


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
