"""The T2 map of a session and what is known of its error, in the units of the page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_app.report.derivatives import Session, Volume, read_volume


@dataclass(frozen=True, kw_only=True)
class T2Volumes:
    """The T2 map and what is known of its error, in milliseconds and per cent, NaN outside the brain."""

    t2_ms: NDArray[np.float32]
    stderr_ms: NDArray[np.float32] | None
    residual_percent: NDArray[np.float32] | None
    s0: NDArray[np.float32] | None
    """Signal at echo time zero, scanner units."""
    fluid: NDArray[np.float32] | None
    """Probability that 5 % or more of a voxel of tissue is fluid."""
    mask: NDArray[np.bool_]
    spacing_mm: tuple[float, float, float]

    @property
    def brain_ms(self) -> NDArray[np.float32]:
        """T2 of the voxels in the mask (voxel,), NaN where there is no answer."""
        return self.t2_ms[self.mask]


def brain_mask(session: Session) -> Volume | None:
    """The mask of the reconstruction, or None."""
    path = session.path("desc-brain_mask.nii.gz")
    return read_volume(path) if path else None


def read_t2(session: Session, mask: Volume | None) -> T2Volumes | None:
    """T2 map with its errors, seconds turned to milliseconds; None when there is no map."""
    path = session.path("T2map.nii.gz")
    if path is None:
        return None
    t2 = read_volume(path)
    values = np.where(t2.values > 0, 1000.0 * t2.values, np.nan).astype(np.float32)
    inside = mask.values > 0 if mask is not None else np.isfinite(values)
    s0_path, fluid_path = session.path("S0map.nii.gz"), session.path("label-CSF_probseg.nii.gz")
    stderr_path = session.path("desc-uncertainty_T2map.nii.gz")
    rmse_path = session.path("desc-rmse_T2w.nii.gz")
    stderr_ms = np.float32(1000) * read_volume(stderr_path).values if stderr_path else None
    residual = None
    echoes = session.echoes()
    if rmse_path and echoes:
        first = read_volume(echoes[0][1]).values
        with np.errstate(divide="ignore", invalid="ignore"):
            residual = np.where(first > 0, 100.0 * read_volume(rmse_path).values / first, np.nan).astype(np.float32)
    return T2Volumes(
        t2_ms=np.where(inside, values, np.nan).astype(np.float32),
        stderr_ms=stderr_ms,
        residual_percent=residual,
        s0=read_volume(s0_path).values if s0_path else None,
        fluid=read_volume(fluid_path).values if fluid_path else None,
        mask=inside,
        spacing_mm=t2.spacing_mm,
    )
