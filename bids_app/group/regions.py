"""T2 of regions over all sessions, from the table of regions that the participant level left for each."""

from __future__ import annotations

from typing import Any

import numpy as np

from bids_app.report.derivatives import Session, numbers, read_table

TABLE = "desc-regions_stats.tsv"
COLUMNS: dict[str, tuple[str, str]] = {
    "participant_id": ("Participant", ""),
    "session_id": ("Session, n/a when the data set has none", ""),
    "gestational_age": ("Gestational age at the scan", "week"),
    "index": ("Value of the region in the segmentation", ""),
    "region": ("Name of the region", ""),
    "volume": ("Volume of the region", "mL"),
    "t2_valid": ("Share of the region that has a T2", ""),
    "t2_median": ("Median T2", "s"),
    "t2_q25": ("25th percentile of T2", "s"),
    "t2_q75": ("75th percentile of T2", "s"),
}
"""Column -> description and units."""
FROM_TABLE = {
    "volume": ("volume_mm3", 1e-3),
    "t2_valid": ("valid_fraction", 1.0),
    "t2_median": ("t2_median_s", 1.0),
    "t2_q25": ("t2_q25_s", 1.0),
    "t2_q75": ("t2_q75_s", 1.0),
}
"""Column -> column of a session's table, and what it is multiplied with."""


def region_rows(session: Session, age_weeks: float | None) -> list[dict[str, Any]]:
    """Rows of one session under ``COLUMNS``; none when it has no table of regions."""
    path = session.path(TABLE)
    table = read_table(path) if path else {}
    columns = {name: scale * numbers(table, source) for name, (source, scale) in FROM_TABLE.items()}
    return [
        {
            "participant_id": f"sub-{session.subject}",
            "session_id": f"ses-{session.label}" if session.label else None,
            "gestational_age": age_weeks,
            "index": table.get("index", [])[n] if "index" in table else None,
            "region": region,
            **{name: float(values[n]) if np.isfinite(values[n]) else None for name, values in columns.items()},
        }
        for n, region in enumerate(table.get("name", []))
    ]
