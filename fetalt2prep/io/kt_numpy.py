"""Raw dynamic data from NumPy: one .npz file with the arrays of :class:`~fetalt2prep.core.kt.frames.Readouts`."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import torch

from fetalt2prep.core.kt.frames import Readouts
from fetalt2prep.io.ismrmrd import RawSeries
from fetalt2prep.io.sidecar import InputError

NEEDED = ("samples", "shape")
OPTIONAL = ("k_per_pixel", "line_idx", "times_s", "slice_idx", "frame_idx", "noise", "pixel_mm", "thickness_mm", "te_s")


def read_npz(path: Path) -> RawSeries:
    """Readouts of a file; without ``times_s`` they count, without ``slice_idx`` they are of slice 0.

    pixel_mm, thickness_mm: 1 when not there. Slices lie side by side along z.

    Raises
    ------
    InputError
        Not .npz, an array that is missing or unknown, samples that are NaN, or sizes that do not fit.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path.name}: cannot be read as .npz ({error}). Save it with numpy.savez.") from error
    missing, unknown = set(NEEDED) - set(arrays), set(arrays) - set(NEEDED) - set(OPTIONAL)
    if missing or unknown:
        raise InputError(
            f"{path.name}: missing {sorted(missing)}, unknown {sorted(unknown)}; "
            f"known are {', '.join(NEEDED + OPTIONAL)}."
        )
    n = len(arrays["samples"])
    if not np.isfinite(arrays["samples"]).all():
        raise InputError(f"{path.name}: samples hold NaN or infinity. Leave their readouts out.")
    arrays = {"times_s": np.arange(n), "slice_idx": np.zeros(n), "pixel_mm": 1.0, "thickness_mm": 1.0} | arrays
    tensors = {
        name: torch.from_numpy(arrays[name].astype(np.int64))
        for name in ("slice_idx", "line_idx", "frame_idx")
        if name in arrays
    }
    if "k_per_pixel" in arrays:
        tensors["k_per_pixel"] = torch.from_numpy(arrays["k_per_pixel"].astype(np.float32))
    if "noise" in arrays:
        tensors["noise"] = torch.from_numpy(arrays["noise"].astype(np.complex64))
    n_y, n_x = (int(size) for size in arrays["shape"])
    try:
        readouts = Readouts(
            samples=torch.from_numpy(arrays["samples"].astype(np.complex64)),
            times_s=torch.from_numpy(arrays["times_s"].astype(np.float64)),
            shape=(n_y, n_x),
            **tensors,
        )
    except ValueError as error:
        raise InputError(f"{path.name}: {error}") from error
    pixel, thickness = float(arrays["pixel_mm"]), float(arrays["thickness_mm"])
    affines = {s: np.diag([pixel, pixel, thickness, 1.0]) for s in readouts.slices}
    for s, affine in affines.items():
        affine[2, 3] = s * thickness
    return RawSeries(readouts, affines, thickness, float(arrays["te_s"]) if "te_s" in arrays else None, ())
