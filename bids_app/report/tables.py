"""Key numbers and the table of inputs, as the templates want them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bids_app.report.derivatives import Table, numbers, short_label
from bids_app.report.t2_volumes import T2Volumes
from bids_app.report.words import Counts, milliseconds, own_words, plural, quartiles

STACK_COLUMNS = (
    "Stack",
    "TE (ms)",
    "Orientation",
    "Matrix",
    "Slices",
    "Voxel (mm)",
    "Thickness (mm)",
    "Mask",
    "Status",
)


@dataclass(frozen=True, kw_only=True)
class Card:
    """A key number on the first screen."""

    label: str
    value: str
    unit: str = ""
    detail: str = ""


def cards(counts: Counts, t2: T2Volumes | None) -> list[Card]:
    """Key numbers of a session; T2 is left out when there is none."""
    found_cards: list[Card] = []
    found = quartiles(t2.brain_ms) if t2 else None
    if found:
        spread = f"middle half {found[0]:.0f} to {found[2]:.0f} ms"
        found_cards.append(Card(label="Median T2, brain mask", value=f"{found[1]:.0f}", unit="ms", detail=spread))
    if counts.n_slices:
        aside = counts.n_slices - counts.n_used_slices
        kept = f"{counts.n_used_slices} of {counts.n_slices}"
        found_cards.append(Card(label="Slices used", value=kept, detail=f"{aside} set aside"))
    if counts.n_stacks:
        used = f"{counts.n_used_stacks} of {counts.n_stacks}"
        times = milliseconds(list(counts.te_ms)) if counts.te_ms else "none in use"
        found_cards.append(
            Card(
                label="Stacks used",
                value=used,
                detail=plural(counts.n_stacks - counts.n_used_stacks, "stack") + " set aside",
            )
        )
        found_cards.append(Card(label="Echo times", value=str(len(counts.te_ms)), detail=times))
    if math.isfinite(counts.rotation_deg):
        shift = f"and {counts.shift_mm:.1f} mm, median over slices"
        found_cards.append(Card(label="Slice motion", value=f"{counts.rotation_deg:.1f}°", detail=shift))
    return found_cards


def stack_rows(stacks: Table) -> list[dict[str, object]]:
    """Rows of the table of inputs: label, cells under ``STACK_COLUMNS``, status, notes."""
    te_ms, dx, dy, dz, thickness = (
        numbers(stacks, name) for name in ("te_s", "dx_mm", "dy_mm", "spacing_mm", "thickness_mm")
    )
    confidence = numbers(stacks, "mask_confidence")

    def cell(column: str, row: int) -> str:
        values = stacks.get(column, [])
        return values[row] if row < len(values) else "n/a"

    rows: list[dict[str, object]] = []
    for i, stack in enumerate(stacks.get("stack", [])):
        mask = cell("mask_source", i)
        if mask in ("network", "classical") and math.isfinite(confidence[i]):
            mask += f", confidence {confidence[i]:.2f}"
        cells = [
            _number(1000.0 * te_ms[i]),
            cell("orientation", i),
            _product([cell("nx", i), cell("ny", i)]),
            cell("n_slices", i),
            _product([_number(v[i]) for v in (dx, dy, dz)]),
            _number(thickness[i]),
            mask,
        ]
        status, notes = cell("status", i), cell("notes", i)
        rows.append(
            {
                "label": short_label(stack),
                "cells": cells,
                "aside": status != "used",
                "status": "set aside" if status == "set-aside" else status,
                "notes": own_words(stack, notes),
            }
        )
    return rows


def _product(texts: list[str]) -> str:
    return "n/a" if set(texts) == {"n/a"} else " × ".join(texts)


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "n/a"
