"""Key numbers and the table of inputs, as the templates want them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bids_app.methods.text import milliseconds
from bids_app.report.derivatives import Table, numbers, short_label
from bids_app.report.figures_regions import RegionT2
from bids_app.report.t2_volumes import T2Volumes
from bids_app.report.words import Counts, own_words, plural, quartiles

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


def cards(
    counts: Counts, t2: T2Volumes | None, regions: Sequence[RegionT2] = (), snr: Sequence[float] = (), bias: str = ""
) -> list[Card]:
    """Key numbers of a session; what is not known is left out.

    snr: one per echo time of ``counts``; bias: the largest known error of T2, ``+0 to +21 %, fluid in the voxel``.
    """
    found_cards: list[Card] = []
    found = quartiles(t2.brain_ms) if t2 else None
    for region in regions[:3]:
        spread = f"middle half {region.q25_ms:.0f} to {region.q75_ms:.0f} ms"
        found_cards.append(
            Card(label=f"Median T2, {region.name}", value=f"{region.median_ms:.0f}", unit="ms", detail=spread)
        )
    if found:
        spread = f"middle half {found[0]:.0f} to {found[2]:.0f} ms; fluid included"
        found_cards.append(Card(label="Median T2, brain mask", value=f"{found[1]:.0f}", unit="ms", detail=spread))
    if snr:
        detail = f"signal over noise of a pixel at {milliseconds(counts.te_ms)}"
        found_cards.append(Card(label="SNR per echo time", value=" / ".join(f"{v:.0f}" for v in snr), detail=detail))
    if math.isfinite(counts.rotation_deg):
        shift = f"and {counts.shift_mm:.1f} mm, median over slices"
        found_cards.append(Card(label="Slice motion", value=f"{counts.rotation_deg:.1f}°", detail=shift))
    stacks = f"{counts.n_used_stacks} of {plural(counts.n_stacks, 'stack')}"
    times = f" at {milliseconds(counts.te_ms)}" if counts.te_ms else ""
    if counts.n_slices:
        kept = f"{counts.n_used_slices} of {counts.n_slices}"
        found_cards.append(Card(label="Slices used", value=kept, detail=f"from {stacks}{times}"))
    elif counts.n_stacks:
        found_cards.append(Card(label="Stacks used", value=stacks, detail=times.strip()))
    if bias:
        size, _, cause = bias.partition(", ")
        found_cards.append(
            Card(
                label="Largest known bias of T2",
                value=size.replace(" %", "\u00a0%"),
                detail=f"{cause}, at T2 250 ms or nearest",
            )
        )
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
