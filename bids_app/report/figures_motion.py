"""Where the slices moved to, in the order in which they were acquired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from bids_app.report.ink import AXIS_COLOURS, BAD, INK_OF_PAGE
from bids_app.report.svg import Drawing, every, ticks

AXIS_NAMES = ("x (left-right)", "y (back-front)", "z (feet-head)")
COLUMNS = (("rotation_deg", "rotation", "deg"), ("shift_mm", "displacement", "mm"))
WIDTH, TOP, ROW, PLOT = 1100.0, 34.0, 98.0, 58.0
LEFTS, PLOT_WIDTH = (48.0, 610.0), 475.0


@dataclass(frozen=True, kw_only=True)
class StackMotion:
    """Columns of the slice table that belong to one stack, one row per slice."""

    name: str
    """Name of the stack in the table."""
    label: str
    te_ms: float
    slice_idx: NDArray[np.int64]
    """(slice,)."""
    time_s: NDArray[np.float64]
    """(slice,), NaN where unknown."""
    rotation_deg: NDArray[np.float64]
    """(slice, 3), rotation vector about the scanner's axes."""
    shift_mm: NDArray[np.float64]
    """(slice, 3), displacement of the slice centre."""
    weight: NDArray[np.float64]
    """(slice,), 0 to 1."""
    residual: NDArray[np.float64]
    """(slice,), root mean square of measured minus predicted pixels, scanner units; NaN without brain."""
    status: NDArray[np.str_]
    """(slice,), one of used, set-aside, empty."""


def acquisition_order(time_s: NDArray[np.float64], slice_idx: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows sorted by time when every time is known, else by slice index."""
    key = time_s if np.isfinite(time_s).all() else slice_idx
    return np.argsort(key, kind="stable")


def common_limit(stacks: Sequence[StackMotion], column: str) -> float:
    """Largest absolute value of a column over the slices that hold brain, with 8 % of air; at least 1."""
    found = [np.abs(getattr(s, column)[s.status != "empty"]).ravel() for s in stacks]
    values = np.concatenate(found) if found else np.zeros(0)
    values = values[np.isfinite(values)]
    return max(1.08 * float(values.max()), 1.0) if len(values) else 1.0


def figure_motion(stacks: Sequence[StackMotion]) -> Markup:
    """One row per stack: rotation (deg) and displacement (mm) against acquisition order, as SVG.

    Slices set aside are crosses. All rows share one range per column, so that a quiet stack looks quiet.
    """
    drawing = Drawing(WIDTH, TOP + ROW * len(stacks) + 16)
    x = LEFTS[0]
    for name, colour in zip(AXIS_NAMES, AXIS_COLOURS, strict=True):
        drawing.line(x, 14, x + 22, 14, colour=colour, width=3)
        drawing.text(x + 28, 18, name, size=12)
        x += 150
    drawing.cross(x + 8, 14, colour=BAD)
    drawing.text(x + 22, 18, "set aside", size=12)
    for left, (column, label, unit) in zip(LEFTS, COLUMNS, strict=True):
        limit = common_limit(stacks, column)
        for row, stack in enumerate(stacks):
            top = TOP + ROW * row
            drawing.text(left, top + 14, f"{stack.label}: {label}", size=12, weight=600)
            _panel(drawing, stack, getattr(stack, column), left, top + 20, limit, unit)
    drawing.text(LEFTS[0], drawing.height - 2, "slice in order of acquisition", size=11)
    drawing.text(LEFTS[1], drawing.height - 2, "slice in order of acquisition", size=11)
    words = (
        f"Rotation in degrees and displacement in millimetres of each slice about three axes, for {len(stacks)} stacks."
    )
    return drawing.svg(words)


def _panel(
    drawing: Drawing, stack: StackMotion, values: NDArray[np.float64], left: float, top: float, limit: float, unit: str
) -> None:
    order = acquisition_order(stack.time_s, stack.slice_idx)
    count = len(order)

    def across(position: float) -> float:
        return left + PLOT_WIDTH * (position + 0.5) / max(count, 1)

    def down(value: float) -> float:
        return top + PLOT * (0.5 - 0.5 * value / limit)

    marks = ticks(limit)
    for mark in marks:
        strong = mark == 0
        drawing.line(left, down(mark), left + PLOT_WIDTH, down(mark), width=1.2 if strong else 0.7)
        drawing.text(
            left - 6, down(mark) + 3.5, f"{mark:g}{' ' + unit if mark == marks[-1] else ''}", size=10, anchor="end"
        )
    for number in every(count):
        drawing.text(across(number - 1), top + PLOT + 13, str(number), size=10, anchor="middle")
    drawing.line(left, top, left, top + PLOT, colour=INK_OF_PAGE, width=1)
    status = stack.status[order]
    for axis, colour in enumerate(AXIS_COLOURS):
        shown = np.where(status == "used", values[order, axis], np.nan)
        drawing.curve(((across(p), down(v)) for p, v in enumerate(shown)), colour=colour, name=f"axis-{'xyz'[axis]}")
    for position in np.flatnonzero(status == "set-aside"):
        drawing.cross(across(int(position)), down(0.0), colour=BAD)
