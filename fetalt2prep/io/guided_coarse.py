"""Coarse maps of a subject from their files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from fetalt2prep.core.guided.given import CoarseMaps
from fetalt2prep.core.guided.grid import FineGrid
from fetalt2prep.io.echoes import check_same_grid
from fetalt2prep.io.guided_request import GuidedRequest
from fetalt2prep.io.sidecar import InputError
from fetalt2prep.io.volume import read_volume

LARGEST_S = {"T2": 20.0, "T1": 60.0}
Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Coarse:
    """Maps on one grid, (x, y, z); voxels that known ones enclose have the value of the nearest, others are zero."""

    s0: Floats
    t2_s: Floats
    t1_s: Floats | None
    known: NDArray[np.bool_]
    """Where all of them had a value."""
    n_filled: int
    """Voxels without an answer that known ones enclose: no answer inside tissue is not no signal."""
    affine: NDArray[np.float64]

    def in_box(self, grid: FineGrid, request: GuidedRequest) -> CoarseMaps:
        """The part that is refined."""
        s0, t2_s, t1_s = (
            None if values is None else torch.from_numpy(np.ascontiguousarray(values[grid.box]))
            for values in (self.s0, self.t2_s, self.t1_s)
        )
        assert s0 is not None
        assert t2_s is not None
        return CoarseMaps(pd=s0, t2_s=t2_s, t1_s=t1_s, sigma=request.error, te_s=request.te_s)


def read_coarse(request: GuidedRequest) -> Coarse:
    """The maps, and where all of them have a positive value.

    Raises
    ------
    InputError
        Maps that cannot be read, on different grids, without a positive value, or not in seconds.
    """
    t2, affine, _ = read_volume(request.t2map)
    others = [path for path in (request.s0map, request.t1map) if path is not None]
    read = []
    for path in others:
        values, other_affine, _ = read_volume(path)
        check_same_grid(path.name, values.shape, other_affine, request.t2map.name, t2.shape, affine)
        read.append(values)
    known = np.all([np.isfinite(values) & (values > 0) for values in (t2, *read)], axis=0)
    if not known.any():
        names = ", ".join(path.name for path in (request.t2map, *others))
        raise InputError(
            f"{request.t2map.name}: no voxel has a positive value in {names}. Are these the maps of a scan?"
        )
    t1 = None
    _check_seconds("T2", t2[known], request.t2map)
    if request.t1map is not None:
        t1 = read[1]
        _check_seconds("T1", t1[known], request.t1map)
    return _filled(read[0], t2, t1, known, affine)


def _check_seconds(name: str, values: Floats, path: Path) -> None:
    middle = float(np.median(values))
    if middle > LARGEST_S[name]:
        raise InputError(
            f"{path.name}: the median {name} is {middle:.4g}; seconds are wanted. Divide a map in milliseconds by 1000."
        )


def _filled(
    s0: Floats, t2_s: Floats, t1_s: Floats | None, known: NDArray[np.bool_], affine: NDArray[np.float64]
) -> Coarse:
    inside = ndimage.binary_fill_holes(known)
    nearest = tuple(ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True))

    def fill(values: Floats) -> Floats:
        return np.where(inside, values[nearest], 0.0).astype(np.float32)

    return Coarse(
        s0=fill(s0),
        t2_s=fill(t2_s),
        t1_s=None if t1_s is None else fill(t1_s),
        known=known,
        n_filled=int((inside & ~known).sum()),
        affine=affine,
    )
