"""Gestational age of a session, as the tables of the raw data set give it."""

from __future__ import annotations

import math
from pathlib import Path

from fetalt2prep.io.tables import read_tsv

COLUMNS = ("gestational_age", "gestational_age_weeks", "ga", "ga_weeks", "ga_at_scan")
RANGE_WEEKS = (10.0, 46.0)


def gestational_age_weeks(bids_dir: Path, subject: str, session: str | None) -> float | None:
    """From ``sub-<label>_sessions.tsv``, else from ``participants.tsv``, weeks; None when neither gives it.

    The columns ``gestational_age``, ``gestational_age_weeks``, ``ga``, ``ga_weeks`` and ``ga_at_scan`` are known.

    Raises
    ------
    ValueError
        An age outside 10 to 46 weeks.
    """
    tables = [(bids_dir / "participants.tsv", "participant_id", f"sub-{subject}")]
    if session is not None:
        table = bids_dir / f"sub-{subject}" / f"sub-{subject}_sessions.tsv"
        tables.insert(0, (table, "session_id", f"ses-{session}"))
    for path, key, wanted in tables:
        if path.is_file() and (age := _look_up(path, key, wanted)) is not None:
            return age
    return None


def _look_up(path: Path, key: str, wanted: str) -> float | None:
    table = read_tsv(path)
    if wanted not in table.get(key, []):
        return None
    row = table[key].index(wanted)
    for name, values in table.items():
        if name.lower() in COLUMNS:
            try:
                age = float(values[row])
            except ValueError:
                continue
            if math.isfinite(age):
                if not RANGE_WEEKS[0] <= age <= RANGE_WEEKS[1]:
                    raise ValueError(
                        f"{path.name}: {name} of {wanted} is {age:g}; weeks are wanted, from {RANGE_WEEKS[0]:g} to "
                        f"{RANGE_WEEKS[1]:g}. Are these days? Correct the table."
                    )
                return age
    return None
