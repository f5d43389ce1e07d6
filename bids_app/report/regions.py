"""The part of the report on regions and on what can have moved T2: rows and sentences from the derivatives."""

from __future__ import annotations

import json
import math
from typing import Any

from bids_app.report.derivatives import Session, numbers, read_table
from bids_app.report.figures_regions import RegionT2

REGION_COLUMNS = (
    "Region",
    "Volume (ml)",
    "With T2 (%)",
    "Median T2 (ms)",
    "Middle half (ms)",
    "Mean ± SE (ms)",
    "Core median (ms)",
    "Less fluid, median (ms)",
    "Fluid flagged (%)",
)
MAX_PRINTED_PERCENT = 999.0


def regions_content(session: Session) -> dict[str, Any]:
    """What the fragment ``regions.html`` wants."""
    budget = _json(session, "desc-budget_stats.json")
    described = _json(session, "desc-regions_stats.json")
    notes = [f"Regions: {described['Regions']}."] if "Regions" in described else []
    notes += [str(note) for note in described.get("Notes", [])]
    return {
        "columns": REGION_COLUMNS,
        "rows": region_rows(session),
        "notes": notes,
        "tissues": [f"T2 {1000 * t2:g} ms" for t2 in budget.get("t2_s", [])],
        "effects": budget_rows(budget),
        "sentences": budget.get("warnings", []),
    }


def region_rows(session: Session) -> list[dict[str, Any]]:
    """Rows of the table of regions; empty when there is none."""
    path = session.path("desc-regions_stats.tsv")
    table = read_table(path) if path else {}
    if not table:
        return []
    ms = {
        name: 1000.0 * numbers(table, name)
        for name in (
            *("t2_median_s", "t2_q25_s", "t2_q75_s", "t2_mean_s", "t2_mean_stderr_s", "core_t2_median_s"),
            "t2_tissue_median_s",
        )
    }
    volume, valid, flagged = (numbers(table, n) for n in ("volume_mm3", "valid_fraction", "csf_flagged_fraction"))
    rows = []
    for k, name in enumerate(table["name"]):
        cells = [
            _text(volume[k] / 1000.0, ".1f"),
            _text(100.0 * valid[k], ".1f"),
            _text(ms["t2_median_s"][k]),
            _joined(ms["t2_q25_s"][k], ms["t2_q75_s"][k], " to "),
            _joined(ms["t2_mean_s"][k], ms["t2_mean_stderr_s"][k], " ± ", ".1f"),
            _text(ms["core_t2_median_s"][k]),
            _text(ms["t2_tissue_median_s"][k]),
            _text(100.0 * flagged[k]),
        ]
        rows.append({"label": name.replace("_", " "), "cells": cells})
    return rows


WHOLE = 1000
"""Index of the whole mask in the table of regions."""
NOT_TISSUE = ("fluid", "csf", "mixed", "ventric", "background")


def regions_t2(session: Session) -> list[RegionT2]:
    """Median and quartiles of the regions that have a T2, the whole mask left out."""
    path = session.path("desc-regions_stats.tsv")
    table = read_table(path) if path else {}
    if not table:
        return []
    index = numbers(table, "index")
    median, low, high = (1000.0 * numbers(table, f"t2_{name}_s") for name in ("median", "q25", "q75"))
    return [
        RegionT2(
            name=table["name"][n].removeprefix("t2class_").replace("_", " "),
            median_ms=float(median[n]),
            q25_ms=float(low[n]),
            q75_ms=float(high[n]),
        )
        for n in range(len(index))
        if index[n] != WHOLE and table["name"][n] != "brain" and math.isfinite(median[n] + low[n] + high[n])
    ]


def tissue_regions(regions: list[RegionT2]) -> list[RegionT2]:
    """Those whose name does not say fluid."""
    return [region for region in regions if not any(word in region.name.lower() for word in NOT_TISSUE)]


def gestational_age(session: Session) -> float | None:
    """Weeks, as the table of regions has them."""
    path = session.path("desc-regions_stats.tsv")
    table = read_table(path) if path else {}
    ages = numbers(table, "gestational_age_weeks").tolist() if table else []
    return float(ages[0]) if ages and math.isfinite(ages[0]) else None


def largest_bias(session: Session) -> str:
    """``+0 to +21 %, fluid in the voxel``: the widest range of the budget at T2 250 ms or the nearest T2.

    Empty without one.
    """
    budget = _json(session, "desc-budget_stats.json")
    tissues = [float(t2) for t2 in budget.get("t2_s", [])]
    if not tissues:
        return ""
    at = min(range(len(tissues)), key=lambda n: abs(tissues[n] - 0.25))
    ranges = [(float(e["low"][at]), float(e["high"][at]), str(e["name"])) for e in budget.get("effects", [])]
    known = [(max(abs(low), abs(high)), low, high, name) for low, high, name in ranges if math.isfinite(low + high)]
    if not known:
        return ""
    _, low, high, name = max(known)
    return f"{_range(low, high)}, {name}"


def budget_rows(budget: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of the bias budget: name, a range in per cent for each T2, and what it was computed from."""
    rows = []
    for effect in budget.get("effects", []):
        cells = [_range(low, high) for low, high in zip(effect["low"], effect["high"], strict=True)]
        rows.append({"label": effect["name"], "cells": [*cells, effect["because"]]})
    if budget.get("precision"):
        cells = [f"± {_text(100.0 * float(value))} %" for value in budget["precision"]]
        because = "least standard deviation of one voxel at the noise of a pixel (Cramer-Rao bound)"
        rows.append({"label": "noise", "cells": [*cells, because]})
    return rows


def budget_warnings(session: Session) -> list[str]:
    """What the budget says about the choice of echo times, for the summary."""
    said = _json(session, "desc-budget_stats.json").get("warnings", [])
    return [str(text) for text in said if str(text).startswith("The echo times")]


def _json(session: Session, ending: str) -> dict[str, Any]:
    path = session.path(ending)
    return json.loads(path.read_text(encoding="utf-8")) if path else {}


def _text(value: float, form: str = ".0f") -> str:
    return f"{value:{form}}" if math.isfinite(value) else "n/a"


def _joined(first: float, second: float, between: str, second_form: str = ".0f") -> str:
    if not math.isfinite(first):
        return "n/a"
    return f"{first:.0f}{between}{_text(second, second_form)}"


def _range(low: float, high: float) -> str:
    """``+1 to +7 %``, or what is known of it; NaN is written as ``NaN`` in JSON and read back as such."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return "not known"
    low, high = (max(-MAX_PRINTED_PERCENT, min(MAX_PRINTED_PERCENT, 100.0 * value)) for value in (low, high))
    return f"{low:+.0f} %" if round(low) == round(high) else f"{low:+.0f} to {high:+.0f} %"
