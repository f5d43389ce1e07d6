"""Co-registered echoes: several volumes of one grid, or one 4-D file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.io.mask import SAME_GRID, corner_distance_mm
from fetalt2prep.io.sidecar import MAX_TE_S, InputError, echo_time_s, read_sidecar
from fetalt2prep.io.volume import check_affine, open_image, read_volume


@dataclass(frozen=True, kw_only=True)
class Echoes:
    """Echoes on one grid."""

    values: NDArray[np.float32]
    """(echo, x, y, z)."""
    te_s: tuple[float, ...]
    """(echo,) in the order of ``values``."""
    affine: NDArray[np.float64]
    """(4, 4), grid index to world millimetres."""
    sidecars: tuple[dict[str, Any], ...]
    """What the JSON file beside each image says."""


def load_echoes(files: Sequence[Path], te_s: Sequence[float] | None = None) -> Echoes:
    """Echoes in the order of the files, or of the fourth axis of a single file.

    ``te_s``: seconds, one per echo; None: EchoTime of the sidecars, for a 4-D file a list of them.

    Raises
    ------
    InputError
        Unreadable, on different grids, not as many times as echoes, or times that cannot be seconds.
    """
    sidecars = tuple(read_sidecar(path) for path in files)
    if len(files) == 1:
        values, affine = read_series(files[0])
        found = sidecars[0].get("EchoTime")
        times = found if isinstance(found, list) else [found] if found is not None else []
        metas = [{"EchoTime": time} for time in times]
    else:
        volumes = [read_on_grid_of(path, files[0]) for path in files]
        values, affine, metas = np.stack(volumes), read_volume(files[0])[1], list(sidecars)
    given = list(te_s) if te_s is not None else [echo_time_s(meta, files[0].name) for meta in metas]
    if len(given) != len(values):
        raise InputError(
            f"{files[0].name}: {len(values)} echoes and {len(given)} echo times. Give one time per echo, in seconds, "
            "in the order of the echoes."
        )
    for time in given:
        if not 0 <= time < MAX_TE_S:
            raise InputError(f"{files[0].name}: echo time {time:g}; seconds are wanted. Did you give milliseconds?")
    return Echoes(values=values, te_s=tuple(float(time) for time in given), affine=affine, sidecars=sidecars)


def read_series(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """A 4-D file as (volume, x, y, z) and its affine; one with three axes has one volume.

    Raises
    ------
    InputError
        Not an image of three or four axes, complex, or cut off.
    """
    image, shape, affine = open_image(path)
    if len(shape) not in (3, 4) or image.get_data_dtype().kind not in "iufb":
        raise InputError(
            f"{path.name}: has shape {' x '.join(map(str, shape))} and type {image.get_data_dtype()}; real volumes in "
            "three or four axes are wanted."
        )
    check_affine(affine, path.name)
    if len(shape) == 3:
        return read_volume(path)[0][None], affine
    try:
        pixels = np.asarray(image.get_fdata(dtype=np.float32, caching="unchanged"))
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"{path.name}: its pixels cannot be read. The file seems cut off; copy it again.") from error
    return np.ascontiguousarray(np.moveaxis(pixels, -1, 0)), affine


def read_on_grid_of(path: Path, reference: Path) -> NDArray[np.float32]:
    """A volume that must lie on the grid of another, (x, y, z).

    Raises
    ------
    InputError
        Another shape, or another place in the scanner.
    """
    values, affine, _ = read_volume(path)
    _, shape, expected = open_image(reference)
    check_same_grid(path.name, values.shape, affine, reference.name, shape[:3], expected)
    return values


def check_same_grid(
    name: str,
    shape: tuple[int, ...],
    affine: NDArray[np.float64],
    other: str,
    other_shape: tuple[int, ...],
    other_affine: NDArray[np.float64],
) -> None:
    """Refuse two images whose voxels are not the same points of the scanner."""
    smallest = float(np.linalg.norm(other_affine[:3, :3], axis=0).min())
    if tuple(shape) != tuple(other_shape):
        sizes = [" x ".join(map(str, size)) for size in (shape, other_shape)]
        raise InputError(f"{name}: has {sizes[0]} voxels, {other} has {sizes[1]}. Bring them onto one grid first.")
    gap = corner_distance_mm(shape, affine, other_affine)
    if gap > SAME_GRID * smallest:
        raise InputError(
            f"{name}: lies up to {gap:.3g} mm from {other}, though both have the same number of voxels. "
            "Bring them onto one grid first."
        )
