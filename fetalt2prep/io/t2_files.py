"""A T2 fit as files, and the account of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.core.t2.estimate import Noise
from fetalt2prep.core.t2.fit import T2Fit, T2Reason
from fetalt2prep.core.t2.options import MODEL_NAMES, T2Options
from fetalt2prep.io.volume import save_volume

NAMES = {
    "t2_s": "T2map",
    "s0": "S0map",
    "t2_stderr_s": "T2map_stderr",
    "s0_stderr": "S0map_stderr",
    "rmse": "rmse",
    "r_squared": "rsquared",
    "b1": "B1map",
}
CODES = {"reason": "reason", "n_echoes": "nechoes"}


def write_fit(fit: T2Fit, affine: NDArray[np.float64], folder: Path) -> dict[str, Path]:
    """One NIfTI file per map, by the field's name: T2map (s), S0map, T2map_stderr (s), S0map_stderr, rmse, rsquared,
    reason (codes of T2Reason), nechoes, and B1map when it is known.
    """
    written = {}
    for field, name in NAMES.items():
        values = getattr(fit, field)
        if values is not None:
            written[field] = save_volume(values.cpu().numpy(), affine, folder / f"{name}.nii.gz")
    for field, name in CODES.items():
        written[field] = save_volume(getattr(fit, field).cpu().numpy(), affine, folder / f"{name}.nii.gz", "u1")
    return written


def fit_account(
    fit: T2Fit, inside: NDArray[np.bool_], te_s: list[float], options: T2Options, *, errors: str, noise: Noise | None
) -> dict[str, Any]:
    """What was fitted and what came out of it, ready for JSON; ``errors`` says where standard errors come from."""
    t2_s = fit.t2_s.cpu().numpy()[inside]
    known = t2_s[np.isfinite(t2_s)]
    codes = fit.reason.cpu().numpy()[inside]
    settled = fit.converged.cpu().numpy()[inside]
    account = {
        "te_s": te_s,
        "model": options.model,
        "estimator": MODEL_NAMES[options.model],
        "t2_bounds_s": list(options.t2_bounds_s),
        "floor": options.floor,
        "noise_floor": options.noise_floor,
        "standard_errors": errors,
        "n_voxels": int(inside.sum()),
        "voxels_by_reason": {reason.name: int((codes == reason).sum()) for reason in T2Reason},
        "converged_fraction": float(settled.mean()) if settled.size else None,
        "t2_quartiles_s": [float(q) for q in np.percentile(known, (25, 50, 75))] if known.size else None,
        "r_squared_median": _median(fit.r_squared.cpu().numpy()[inside]),
        "relative_stderr_median": _median((fit.t2_stderr_s / fit.t2_s).cpu().numpy()[inside]),
    }
    if noise is not None:
        account |= {"noise_sigma": noise.sigma, "noise_source": noise.source}
    if options.model.startswith("epg"):
        account["echo_train"] = {name: getattr(options, name) for name in ("echo_spacing_s", "refocusing_deg", "t1_s")}
    return account


def error_source(options: T2Options, *, given: bool, n_echoes: int) -> str:
    """In words, where the standard errors of a fit come from."""
    if options.model == "rician":
        return "noise level" if not given else "standard errors of the echoes"
    if given:
        return "standard errors of the echoes"
    parameters = 3 if options.model == "epg-b1" else 2
    return "residual of the fit" if n_echoes > parameters else "unknown: no echo is left over to judge from"


def _median(values: NDArray[np.floating]) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else None
