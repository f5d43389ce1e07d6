"""The group's page: what stands out, T2 over gestational age, quality, and the table of sessions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from bids_app.group.figures import Points, spread, t2_over_age
from bids_app.group.line import Line, fit_line
from bids_app.group.outliers import MEASURES, MIN_SESSIONS, Outlier, column
from bids_app.group.sessions import COLUMNS
from bids_app.report.ink import save_svg
from bids_app.report.page import TEMPLATE
from bids_app.whole_file import put
from fetalt2prep import __version__

TEMPLATE_OF_PAGE = Path(__file__).parent / "page.html"
FIGURES = "figures"
SHOWN = {
    "gestational_age": "GA (weeks)", "n_stacks_used": "stacks used", "slices_used": "slices used",
    "slice_rotation": "rotation (°)", "slice_shift": "shift (mm)", "t2_median": "T2 median (s)", "t2_valid": "T2 valid",
    "brain_volume": "brain (mL)",
}  # fmt: skip
MAX_REGIONS = 12
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
    output_dir: Path, rows: Sequence[dict[str, Any]], regions: Sequence[dict[str, Any]], outliers: Sequence[Outlier]
) -> Path:
    """Write ``group.html`` and its figures; returns the page."""
    folder = output_dir / FIGURES
    panels = t2_panels(rows, regions)
    age_figure = ""
    if panels:
        age_figure = f"{FIGURES}/group_desc-age_T2map.svg"
        save_svg(t2_over_age(panels), output_dir / age_figure)
    sentences = [sentence(name, line) for name, (_, _, line) in panels.items()]
    if len({row["participant_id"] for row in rows}) < len(rows) and any(line for _, _, line in panels.values()):
        sentences.append(
            "Sessions of one participant are not independent, which the line does not know: its interval is too narrow."
        )
    marked = {measure: {o.row for o in outliers if o.measure == measure} for measure in MEASURES}
    texts = {name: strip_label(*COLUMNS[name]) for name in MEASURES}
    save_svg(spread(rows, texts, marked), folder / "group_desc-quality_T2map.svg")
    style = re.search(r"<style>(.*?)</style>", TEMPLATE.read_text("utf-8"), re.DOTALL)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    html = environment.from_string(TEMPLATE_OF_PAGE.read_text("utf-8")).render(
        style=style[1] if style else "",
        version=__version__,
        n_participants=len({row["participant_id"] for row in rows}),
        too_few=MIN_SESSIONS if len(rows) < MIN_SESSIONS else 0,
        outliers=[outlier_sentence(o, rows[o.row]) for o in outliers],
        sentences=sentences or ["No session has both a T2 map and a gestational age (participants.tsv, sessions.tsv)."],
        age_figure=age_figure,
        quality_figure=f"{FIGURES}/group_desc-quality_T2map.svg",
        has_regions=bool(regions),
        columns=["session", *SHOWN.values()],
        rows=[
            {"name": name_of(row), "link": f"{row['participant_id']}.html", "cells": [_cell(row[c]) for c in SHOWN]}
            for row in rows
        ],
    )
    put(html, output_dir / "group.html")
    return output_dir / "group.html"


def _cell(value: object) -> str:
    if value is None:
        return "n/a"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
