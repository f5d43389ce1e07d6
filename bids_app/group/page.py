"""The group's page: what stands out, T2 over gestational age, quality, and the table of sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from bids_app.group.figures import Points, spread, t2_over_age
from bids_app.group.line import Line, fit_line
from bids_app.group.outliers import MEASURES, MIN_SESSIONS, Outlier, column
from bids_app.group.sessions import COLUMNS
from bids_app.report.ink import as_svg, save_svg
from bids_app.report.page import Section, frame, templates
from bids_app.report.words import plural
from bids_app.whole_file import put
from fetalt2prep import __version__

FRAGMENTS = Path(__file__).parent / "fragments"
FIGURES = "figures"
SHOWN = {
    "gestational_age": "GA (weeks)", "n_stacks_used": "stacks used", "slices_used": "slices used",
    "slice_rotation": "rotation (°)", "slice_shift": "shift (mm)", "t2_median": "T2 median (s)", "t2_valid": "T2 valid",
    "brain_volume": "brain (mL)",
}  # fmt: skip
MAX_REGIONS = 12
FOOTER = (
    "For research only: not a medical device, not for diagnosis. This page was made from the tables beside it and loads"
    " nothing from a network."
)
BRAIN = "brain mask"


def t2_panels(rows: Sequence[dict[str, Any]], regions: Sequence[dict[str, Any]]) -> dict[str, Points]:
    """Ages (weeks), T2 (ms) and the line through them, of the brain mask and of up to twelve regions."""
    groups: dict[str, Sequence[dict[str, Any]]] = {BRAIN: rows}
    for name in list(dict.fromkeys(row["region"] for row in regions))[:MAX_REGIONS]:
        groups[name] = [row for row in regions if row["region"] == name]
    panels = {}
    for name, group in groups.items():
        age, t2_ms = column(group, "gestational_age"), 1000 * column(group, "t2_median")
        if (np.isfinite(age) & np.isfinite(t2_ms)).any():
            panels[name] = (age, t2_ms, fit_line(age, t2_ms))
    return panels


def sentence(name: str, line: Line | None) -> str:
    """How T2 changes with age, or why that is not said."""
    if line is None:
        return f"{name}: too few sessions with a gestational age for a line (three different ones at least)."
    low, high = line.slope_interval()
    return (
        f"{name}: {line.slope:+.1f} ms per week (95 % interval {low:+.1f} to {high:+.1f}), {line.y_at_mean:.0f} ms at "
        f"{line.mean_x:.1f} weeks, {line.n} sessions, residual {line.residual_sd:.0f} ms."
    )


def outlier_sentence(outlier: Outlier, row: Mapping[str, Any]) -> str:
    """``sub-01 ses-02: slice_shift is 9.1, usual is 1.2 (+8.3 robust standard deviations)``."""
    return (
        f"{name_of(row)}: {outlier.measure} is {outlier.value:.4g}, usual is {outlier.usual:.4g} "
        f"({outlier.z:+.1f} robust standard deviations)."
    )


def name_of(row: Mapping[str, Any]) -> str:
    """Participant and session of a row."""
    return " ".join(filter(None, [row["participant_id"], row["session_id"]]))


def strip_label(text: str, units: str) -> str:
    """What a measure is, in a few words, and its units."""
    return text.partition(",")[0].partition(" from ")[0] + (f" ({units})" if units else "")


def write_page(
    output_dir: Path, rows: Sequence[dict[str, Any]], regions: Sequence[dict[str, Any]], outliers: Sequence[Outlier],
    absent: Sequence[str] = (),
) -> Path:  # fmt: skip
    """Write ``group.html`` and its figures; returns the page, which holds its figures too.

    ``absent``: participants without results, such as those that failed.
    """
    panels = t2_panels(rows, regions)
    sentences = [sentence(name, line) for name, (_, _, line) in panels.items()]
    n_participants = len({row["participant_id"] for row in rows})
    if n_participants < len(rows) and any(line for _, _, line in panels.values()):
        sentences.append(
            "Sessions of one participant are not independent, which the line does not know: its interval is too narrow."
        )
    marked = {measure: {o.row for o in outliers if o.measure == measure} for measure in MEASURES}
    html = frame(
        "All sessions",
        f"{plural(len(rows), 'session')} of {plural(n_participants, 'participant')}. "
        + (f"Without results: {', '.join(absent)}. " if absent else "")
        + f"fetalt2prep {__version__}.",
        [
            _section("outliers", "Unlike the others", "outliers.html", **_outliers(rows, outliers)),
            _section("table", "Sessions", "table.html", **_table(rows, bool(regions), bool(outliers), marked)),
            _section("age", "T2 and gestational age", "curves.html", **_age(output_dir, panels, sentences)),
            _section("quality", "Quality", "curves.html", **_quality(output_dir, rows, marked)),
        ],
        footer=FOOTER,
    )
    put(html, output_dir / "group.html")
    return output_dir / "group.html"


def _section(name: str, title: str, template: str, **content: object) -> Section:
    return Section(name=name, title=title, html=Markup(templates(FRAGMENTS).get_template(template).render(**content)))


def _outliers(rows: Sequence[dict[str, Any]], outliers: Sequence[Outlier]) -> dict[str, object]:
    told = [
        {
            "link": f"{rows[o.row]['participant_id']}.html",
            "name": name_of(rows[o.row]),
            "text": outlier_sentence(o, rows[o.row]).partition(": ")[2],
        }
        for o in outliers
    ]
    return {"too_few": MIN_SESSIONS if len(rows) < MIN_SESSIONS else 0, "outliers": told}


def _table(
    rows: Sequence[dict[str, Any]], has_regions: bool, has_outliers: bool, marked: Mapping[str, set[int]]
) -> dict[str, object]:
    shown = [
        {
            "name": name_of(row),
            "link": f"{row['participant_id']}.html",
            "cells": [
                {"text": _cell(row[c]), "value": "" if row[c] is None else row[c], "odd": n in marked.get(c, set())}
                for c in SHOWN
            ],
        }
        for n, row in enumerate(rows)
    ]
    return {
        "columns": ["session", *SHOWN.values()],
        "rows": shown,
        "has_regions": has_regions,
        "has_outliers": has_outliers,
    }


def _age(output_dir: Path, panels: Mapping[str, Points], sentences: Sequence[str]) -> dict[str, object]:
    words = "T2 over gestational age, a panel per region, with a line and its 95 percent interval"
    svg = as_svg(t2_over_age(panels), words) if panels else Markup("")
    if panels:
        save_svg(svg, output_dir / FIGURES / "group_desc-age_T2map.svg")
    none = ["No session has both a T2 map and a gestational age (participants.tsv, sessions.tsv)."]
    caption = (
        "Each session is a point; line: least squares; band: 95 % interval of the line. It describes these sessions"
        " and is no norm."
    )
    return {
        "sentences": sentences or none,
        "svg": svg,
        "kind": "wide",
        "label": "T2 over gestational age",
        "caption": caption,
    }


def _quality(output_dir: Path, rows: Sequence[dict[str, Any]], marked: Mapping[str, set[int]]) -> dict[str, object]:
    texts = {name: strip_label(*COLUMNS[name]) for name in MEASURES}
    svg = as_svg(spread(rows, texts, marked), "Spread of each measure over the sessions, one point per session")
    save_svg(svg, output_dir / FIGURES / "group_desc-quality_T2map.svg")
    caption = "Each session is a point in every strip; red: unlike the others."
    return {"sentences": [], "svg": svg, "kind": "wide", "label": "Spread of the measures", "caption": caption}


def _cell(value: object) -> str:
    if value is None:
        return "n/a"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
