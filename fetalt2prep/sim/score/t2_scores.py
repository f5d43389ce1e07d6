"""T2 errors by tissue, with and without the voxels at its edge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fetalt2prep.core.metrics import T2Error, t2_error
from fetalt2prep.sim.phantom import Label

Floats = NDArray[np.float32]
TISSUES = {
    "WM": Label.WHITE_MATTER,
    "GM": Label.CORTICAL_GREY,
    "deepGM": Label.DEEP_GREY,
    "cerebellum": Label.CEREBELLUM,
    "brainstem": Label.BRAINSTEM,
}


def t2_scores(labels: NDArray[np.uint8], true_t2_s: Floats, t2_s: Floats) -> dict[str, object]:
    """Per tissue mae, bias, medae (median absolute error), median, true_median in ms, and n_voxels.

    ``core_*``: the same without the voxels at the tissue's edge, None when no voxel is left. invalid_percent:
    voxels of white matter and cortex that have no plausible T2.
    """
    out: dict[str, object] = {}
    for tissue, label in TISSUES.items():
        region = labels == label
        if region.any():
            core = np.asarray(ndimage.binary_erosion(region))
            inside = t2_error(t2_s, true_t2_s, core) if core.any() else None
            out[tissue] = _in_ms("", t2_error(t2_s, true_t2_s, region)) | _in_ms("core_", inside)
    both = (labels == Label.WHITE_MATTER) | (labels == Label.CORTICAL_GREY)
    if both.any():
        out["invalid_percent"] = round(100.0 * t2_error(t2_s, true_t2_s, both).invalid_fraction, 3)
    return out


def _in_ms(prefix: str, error: T2Error | None) -> dict[str, float | None]:
    names = {"mae": "mae", "bias": "bias", "median_abs": "medae", "median": "median", "true_median": "true_median"}
    if error is None:
        return {f"{prefix}{short}": None for short in names.values()} | {f"{prefix}n_voxels": 0}
    values = error.as_ms()
    rounded: dict[str, float | None] = {f"{prefix}{short}": round(values[name], 2) for name, short in names.items()}
    return rounded | {f"{prefix}n_voxels": error.n_voxels}
