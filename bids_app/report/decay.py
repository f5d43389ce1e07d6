"""Decay at single voxels: the reconstructed echoes, the fitted curve, and the band in which it lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
PERCENTILES = (10.0, 40.0, 60.0, 80.0, 95.0)
"""Which voxels are shown: those at these percentiles of T2 in the mask."""
BAND = 1.96
"""Half width of the band in standard errors: 95 %."""


@dataclass(frozen=True, kw_only=True)
class Decay:
    """One voxel."""

    percentile: float
    voxel: tuple[int, int, int]
    """Index in the volume as stored in the closest RAS order."""
    te_ms: Doubles
    """(echo,)."""
    echoes: Doubles
    """(echo,), scanner units."""
    s0: float
    t2_ms: float
    stderr_ms: float
    """Standard error of T2; NaN when not known."""

    def fitted(self, te_ms: Doubles) -> Doubles:
        """``S0 exp(-TE / T2)`` at times (time,), ms -> (time,), scanner units."""
        return np.asarray(self.s0 * np.exp(-te_ms / self.t2_ms))

    def band(self, te_ms: Doubles) -> tuple[Doubles, Doubles]:
        """Lower and upper end of the curve's 95 % interval at times (time,), ms; both (time,), scanner units.

        From the standard error of R2 = 1 / T2 alone, for a fit of ln S weighted by the signal under equal noise in
        every echo.
        Then ln S at the weighted mean TE and R2 are uncorrelated, and the ratio of their variances is the weighted
        spread of TE.
        """
        weight = self.fitted(self.te_ms) ** 2
        middle = float(weight @ self.te_ms / weight.sum())
        spread = float(weight @ (self.te_ms - middle) ** 2 / weight.sum())
        r2_stderr = self.stderr_ms / self.t2_ms**2
        half = BAND * r2_stderr * np.sqrt(spread + (te_ms - middle) ** 2)
        curve = self.fitted(te_ms)
        return np.asarray(curve * np.exp(-half)), np.asarray(curve * np.exp(half))


def choose_decays(
    t2_ms: NDArray[np.float32],
    s0: NDArray[np.float32],
    stderr_ms: NDArray[np.float32] | None,
    echoes: NDArray[np.float32],
    te_ms: Sequence[float],
    mask: NDArray[np.bool_],
) -> list[Decay]:
    """Voxels at fixed percentiles of T2 (x, y, z); echoes: (echo, x, y, z).

    Of the hundredth of the voxels nearest to a percentile, the one whose standard error is the median of theirs.
    """
    at = np.argwhere(mask & np.isfinite(t2_ms) & np.isfinite(s0))
    if not len(at):
        return []
    values = t2_ms[tuple(at.T)]
    found: list[Decay] = []
    for percentile in PERCENTILES:
        near = np.argsort(np.abs(values - np.percentile(values, percentile)), kind="stable")[: 1 + len(values) // 100]
        if stderr_ms is not None:
            near = near[np.argsort(stderr_ms[tuple(at[near].T)], kind="stable")]
        i, j, k = at[near[len(near) // 2 if stderr_ms is not None else 0]].tolist()
        if any(decay.voxel == (i, j, k) for decay in found):
            continue
        found.append(
            Decay(
                percentile=percentile,
                voxel=(i, j, k),
                te_ms=np.asarray(te_ms, dtype=np.float64),
                echoes=echoes[:, i, j, k].astype(np.float64),
                s0=float(s0[i, j, k]),
                t2_ms=float(t2_ms[i, j, k]),
                stderr_ms=float("nan") if stderr_ms is None else float(stderr_ms[i, j, k]),
            )
        )
    return found
