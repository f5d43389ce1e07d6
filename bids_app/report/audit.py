"""What the checks of headers and of quality found, stack by stack; both tables are optional."""

from __future__ import annotations

import math
from collections.abc import Collection

from bids_app.report.derivatives import Session, Table, numbers, read_table, short_label

QUALITY_TABLE, AUDIT_TABLE = "desc-quality_stats.tsv", "desc-audit_stats.tsv"
UNITS = {"_per_mm": "1/mm", "_ml": "mL", "_mm": "mm", "_deg": "°"}
LEVELS = {"error": "bad", "warning": "care", "info": ""}
"""Level of a finding and how it is marked."""


def read(session: Session, ending: str) -> Table:
    """A table of the session; empty when it was not written."""
    path = session.path(ending)
    return read_table(path) if path else {}


def audit_rows(table: Table) -> list[dict[str, str]]:
    """Findings, the gravest first: level, mark, stack, what was checked, found and done."""
    columns = ("stack", "check", "level", "found", "action")
    n_rows = len(table.get("stack", []))
    cells = {name: table.get(name, [""] * n_rows) for name in columns}
    rows = [{name: _plain(cells[name][n]) for name in columns} for n in range(n_rows)]
    for row in rows:
        row["stack"] = short_label(row["stack"]) if row["stack"] else "all"
        row["mark"] = LEVELS.get(row["level"], "")
        row["check"] = row["check"].replace("_", " ")
    order = list(LEVELS)
    return sorted(rows, key=lambda row: order.index(row["level"]) if row["level"] in order else len(order))


def findings(table: Table, level: str, without: Collection[str] = ()) -> tuple[str, ...]:
    """Findings of one level in a sentence each, those of several stacks together.

    ``without``: short labels of stacks whose findings are told elsewhere.
    """
    by_text: dict[str, list[str]] = {}
    for row in audit_rows(table):
        if row["level"] == level and row["stack"] not in without:
            text = f"{row['check']}: {row['found']}" + (f" ({row['action']})" if row["action"] else "")
            by_text.setdefault(text, []).append(row["stack"])
    return tuple(
        f"{', '.join(stacks) if len(stacks) < 4 else f'{len(stacks)} stacks'}: {text}."
        for text, stacks in by_text.items()
    )


def quality_table(table: Table) -> tuple[list[str], list[dict[str, object]]]:
    """Columns and rows of the table of quality: numbers to three digits, other cells as they are.

    A column in which no stack has a value is left out.
    """
    columns = [name for name in table if name != "stack" and any(_plain(cell) for cell in table[name])]
    numeric = {name: numbers(table, name) for name in columns}
    rows: list[dict[str, object]] = []
    for n, stack in enumerate(table.get("stack", [])):
        cells = [
            f"{numeric[name][n]:.3g}" if math.isfinite(numeric[name][n]) else _plain(table[name][n]) or "n/a"
            for name in columns
        ]
        rows.append({"label": short_label(stack), "cells": cells})
    return [_heading(name) for name in columns], rows


def _heading(name: str) -> str:
    """``mask_volume_ml`` -> ``mask volume (mL)``."""
    for end, unit in UNITS.items():
        if name.endswith(end):
            return f"{name.removesuffix(end).replace('_', ' ')} ({unit})"
    return name.removeprefix("n_").replace("_", " ")


def _plain(text: str) -> str:
    return "" if text == "n/a" else text
