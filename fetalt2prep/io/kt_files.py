"""What a dynamic reconstruction leaves: image series, its account, stacks for the slice-to-volume reconstruction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

Complexes = NDArray[np.complex64]


def save_series(
    series: Complexes, affine: NDArray[np.float64], frame_s: float, path: Path, *, phase: bool = False
) -> Path:
    """Magnitude, or phase in radians, of a series (x, y, slice, frame) as NIfTI; returns ``path``."""
    values = np.angle(series) if phase else np.abs(series)
    image = nib.Nifti1Image(values.astype(np.float32), affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((*image.header.get_zooms()[:3], frame_s))
    image.set_sform(image.affine, code=1)
    image.set_qform(image.affine, code=1)
    nib.save(image, path)
    return path


def stack_affine(
    affines: Mapping[int, NDArray[np.float64]], slices: Sequence[int], thickness_mm: float
) -> NDArray[np.float64]:
    """Affine of slices that lie side by side: index (x, y, slice) to world millimetres.

    Raises
    ------
    ValueError
        They are not parallel and evenly spaced: a NIfTI file cannot hold them.
    """
    affine = affines[slices[0]].copy()
    if len(slices) == 1:
        return affine
    origins = np.stack([affines[s][:3, 3] for s in slices])
    steps = np.diff(origins, axis=0)
    turned = max(float(np.abs(affines[s][:3, :3] - affine[:3, :3]).max()) for s in slices)
    if turned > 1e-3 or float(np.abs(steps - steps[0]).max()) > 0.05 * thickness_mm:
        raise ValueError("the slices are not parallel and evenly spaced: reconstruct them one by one (--slice).")
    affine[:3, 2] = steps[0]
    return affine


def save_stacks(
    series: Complexes,
    affine: NDArray[np.float64],
    times_s: NDArray[np.float64],
    meta: Mapping[str, Any],
    folder: Path,
    prefix: str,
) -> list[Path]:
    """Each frame of a multi-slice series (x, y, slice, frame) as a stack with the time of every slice.

    times_s: (slice, frame). Sidecars hold ``meta`` and SliceTiming, seconds since the first readout of the scan.
    """
    written = []
    for frame in range(series.shape[3]):
        path = folder / f"{prefix}_frame-{frame + 1:03d}_T2w.nii.gz"
        image = nib.Nifti1Image(np.abs(series[..., frame]).astype(np.float32), affine)
        image.set_sform(image.affine, code=1)
        image.set_qform(image.affine, code=1)
        nib.save(image, path)
        sidecar = dict(meta) | {"SliceTiming": [round(float(t), 6) for t in times_s[:, frame]]}
        path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps(sidecar, indent=2) + "\n", "utf-8")
        written.append(path)
    return written
