"""Sessions that are unlike the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_app.group.line import median_line
from fetalt2prep.core.spread import MAD_TO_SIGMA

LIMIT = 3.5
"""Size of the modified z-score from which a value counts as an outlier (Iglewicz and Hoaglin 1993)."""
MIN_SESSIONS = 5
MEASURES = {
    "slices_used": "low", "slice_rotation": "high", "slice_shift": "high", "slice_ncc": "low", "t2_valid": "low",
    "t2_stderr_median": "high", "t2_median": "both", "brain_volume": "both",
}  # fmt: skip
"""Columns that are compared, and the side on which a value is unusual."""
WITH_AGE = ("t2_median", "brain_volume")
"""Columns that change with gestational age: what is compared is the distance from the line over age that a few odd
sessions do not move."""


@dataclass(frozen=True, kw_only=True)
class Outlier:
    """A value unlike those of the other sessions."""

    row: int
    measure: str
    value: float
    usual: float
    """Median of the sessions, or the height of the line at the session's age."""
    z: float


def find_outliers(rows: Sequence[dict[str, Any]]) -> list[Outlier]:
    """Values whose modified z-score (distance over 1.4826 median absolute deviations) exceeds 3.5.

    Nothing is said with fewer than five sessions.
    """
    age = column(rows, "gestational_age")
    found = []
    for measure, side in MEASURES.items():
        values = column(rows, measure)
        line = median_line(age, values) if measure in WITH_AGE else None
        usual = np.full_like(values, np.nanmedian(values)) if np.isfinite(values).any() else values
        if line is not None:
            usual = np.where(np.isfinite(age), line[0] * age + line[1], usual)
        z = modified_z(values - usual)
        unusual = {"low": z < -LIMIT, "high": z > LIMIT, "both": np.abs(z) > LIMIT}[side]
        found += [
            Outlier(row=int(n), measure=measure, value=float(values[n]), usual=float(usual[n]), z=float(z[n]))
            for n in np.flatnonzero(unusual)
        ]
    return sorted(found, key=lambda item: (item.row, item.measure))


def modified_z(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each value (session,) from the median in robust standard deviations; NaN where it is not known."""
    known = values[np.isfinite(values)]
    if len(known) < MIN_SESSIONS:
        return np.full_like(values, np.nan)
    centre = np.median(known)
    spread = MAD_TO_SIGMA * float(np.median(np.abs(known - centre)))
    if spread <= 1e-6 * float(np.abs(known).max()):  # all the same but for rounding
        return np.full_like(values, np.nan)
    return np.asarray((values - centre) / spread, dtype=np.float64)


def column(rows: Sequence[dict[str, Any]], name: str) -> NDArray[np.float64]:
    """A column as numbers (row,), NaN where there is none."""
    return np.array([np.nan if row[name] is None else row[name] for row in rows], dtype=np.float64)
