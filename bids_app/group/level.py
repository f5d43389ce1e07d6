"""``fetalt2prep BIDS_DIR OUTPUT_DIR group``: tables and a page over the sessions in OUTPUT_DIR."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bids_app.checks import choose_labels
from bids_app.group import regions as of_regions
from bids_app.group import sessions as of_sessions
from bids_app.group.outliers import Outlier, find_outliers
from bids_app.group.page import outlier_sentence, write_page
from bids_app.log import run_log
from bids_app.options import OptionError, Options
from bids_app.query import list_labels
from bids_app.whole_file import put
from fetalt2prep.io.tables import write_tsv
from fetalt2prep.io.volume import UNREADABLE

LOG = logging.getLogger("fetalt2prep")
OUTLIER_COLUMNS: dict[str, tuple[str, str]] = {
    "participant_id": ("Participant", ""),
    "session_id": ("Session, n/a when the data set has none", ""),
    "measure": ("Column of group_sessions.tsv", ""),
    "value": ("Value of the session, in the units of that column", ""),
    "usual": ("Median of the sessions; for T2 and brain volume the line over gestational age", ""),
    "robust_z": ("Distance from usual in robust standard deviations", ""),
}


def run_group(options: Options, run_uuid: str) -> int:
    """Write ``group_sessions``, ``group_regions``, ``group_outliers`` and ``group.html``; returns the exit code.

    0: every session that was found is in the tables. 1: one could not be read.
    """
    out = options.output_dir
    subjects = choose_labels(options.participants, list_labels(out, "sub"), "participant label", "sub")
    with run_log(out / "logs" / f"group-{run_uuid}.log", options.run.verbose):
        rows, regions, failed = collect(options, subjects)
        if not rows:
            raise OptionError(f"{out} holds no session with results; run the participant level first.")
        outliers = find_outliers(rows)
        _write(rows, of_sessions.COLUMNS, out / "group_sessions.tsv")
        _write(regions, of_regions.COLUMNS, out / "group_regions.tsv")
        _write([_outlier_row(item, rows[item.row]) for item in outliers], OUTLIER_COLUMNS, out / "group_outliers.tsv")
        there = {row["participant_id"] for row in rows}
        absent = [f"sub-{subject}" for subject in subjects if f"sub-{subject}" not in there]
        page = write_page(out, rows, regions, outliers, absent)
        if absent:
            LOG.warning("Without results, so not in the tables: %s.", ", ".join(absent))
        for item in outliers:
            LOG.warning("Unlike the others: %s", outlier_sentence(item, rows[item.row]))
        for message in failed:
            LOG.error("Left out: %s", message)
        LOG.info("%d session(s) of %d participant(s): %s", len(rows), len(there), page)
    return 1 if failed else 0


def collect(options: Options, subjects: list[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]:
    """Rows of sessions and of regions, and why a session was left out."""
    rows: list[dict[str, Any]] = []
    regions: list[dict[str, Any]] = []
    failed: list[str] = []
    for session in of_sessions.sessions_of(options.output_dir, subjects, options.sessions):
        try:
            row = of_sessions.session_row(session, options.bids_dir)
            regions += of_regions.region_rows(session, row["gestational_age"])
            rows.append(row)
        except UNREADABLE as error:
            LOG.debug("%s could not be read.", session.name, exc_info=True)
            failed.append(f"{session.name}: {error}")
    return rows, regions, failed


def _write(rows: Sequence[Mapping[str, Any]], columns: dict[str, tuple[str, str]], path: Path) -> None:
    """A table with its JSON; an old one is removed when there are no rows."""
    description = path.with_suffix(".json")
    if not rows:
        path.unlink(missing_ok=True)
        description.unlink(missing_ok=True)
        return
    write_tsv({name: [row[name] for row in rows] for name in columns}, path)
    put(of_sessions.column_descriptions(columns), description)


def _outlier_row(item: Outlier, row: Mapping[str, Any]) -> dict[str, Any]:
    values = (row["participant_id"], row["session_id"], item.measure, item.value, item.usual, item.z)
    return dict(zip(OUTLIER_COLUMNS, values, strict=True))
