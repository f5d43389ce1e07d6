"""Where the slices moved to, and how much each of them counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from bids_app.report.ink import AXIS_COLOURS, BAD, FAINT, INK, plain_axes

AXIS_NAMES = ("x (left-right)", "y (back-front)", "z (feet-head)")
WEIGHT_COLOURS = "cividis"


@dataclass(frozen=True, kw_only=True)
class StackMotion:
    """Columns of the slice table that belong to one stack, one row per slice."""

    label: str
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


def figure_motion(stacks: Sequence[StackMotion]) -> Figure:
    """One row per stack: rotation (deg) and displacement (mm) against acquisition order.

    Slices set aside are crosses. All rows share one range per column, so that a quiet stack looks quiet.
    """
    figure = Figure(figsize=(11.0, 0.75 + 1.22 * len(stacks)), layout="constrained")
    grid = figure.subplots(len(stacks), 2, squeeze=False)
    columns = (("rotation_deg", "rotation", "deg"), ("shift_mm", "displacement", "mm"))
    for c, (column, label, unit) in enumerate(columns):
        limit = common_limit(stacks, column)
        for r, stack in enumerate(stacks):
            axes = grid[r, c]
            _draw_curves(axes, stack, getattr(stack, column))
            axes.set_ylim(-limit, limit)
            axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, steps=[1, 2, 5, 10]))
            axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
            plain_axes(axes, size=8)
            axes.set_title(f"{stack.label}: {label}", loc="left", fontsize=8.5, pad=3, color=INK)
            axes.set_ylabel(unit, fontsize=8.5)
            if r == len(stacks) - 1:
                axes.set_xlabel("slice in order of acquisition", fontsize=9, color=INK)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False, fontsize=9, labelcolor=INK)
    return figure


def _draw_curves(axes: Axes, stack: StackMotion, values: NDArray[np.float64]) -> None:
    order = acquisition_order(stack.time_s, stack.slice_idx)
    position = np.arange(1, len(order) + 1)
    status = stack.status[order]
    shown = np.where((status == "used")[:, None], values[order], np.nan)
    for axis, (name, colour) in enumerate(zip(AXIS_NAMES, AXIS_COLOURS, strict=True)):
        axes.plot(position, shown[:, axis], color=colour, label=name, linewidth=1.1, marker="o", markersize=2.6)
    aside = status == "set-aside"
    axes.plot(
        position[aside], np.zeros(aside.sum()), color=BAD, label="set aside", linestyle="none", marker="x",
        markersize=7, markeredgewidth=1.8,
    )  # fmt: skip
    axes.set_xlim(0.3, len(order) + 0.7)


def weight_table(stacks: Sequence[StackMotion]) -> NDArray[np.float64]:
    """(stack, slice) weights by slice index; NaN for slices without brain and past the end of a stack."""
    n_slices = max((int(s.slice_idx.max()) + 1 for s in stacks if len(s.slice_idx)), default=1)
    table = np.full((len(stacks), n_slices), np.nan)
    for row, stack in zip(table, stacks, strict=True):
        row[stack.slice_idx] = np.where(stack.status == "empty", np.nan, stack.weight)
    return table


def figure_weights(stacks: Sequence[StackMotion]) -> Figure:
    """Weight of every slice, one row per stack; crossed when set aside, blank when it holds no brain."""
    table = weight_table(stacks)
    figure = Figure(figsize=(11.0, 1.1 + 0.34 * len(stacks)), layout="constrained")
    axes = figure.add_subplot()
    drawn = axes.pcolormesh(
        np.ma.masked_invalid(table), cmap=colormaps[WEIGHT_COLOURS], vmin=0.0, vmax=1.0, edgecolors="none"
    )
    for r, stack in enumerate(stacks):
        aside = stack.slice_idx[stack.status == "set-aside"]
        axes.plot(
            aside + 0.5, np.full(len(aside), r + 0.5), color=BAD, linestyle="none", marker="x", markersize=8,
            markeredgewidth=2.0,
        )  # fmt: skip
        axes.plot([0, int(stack.slice_idx.max(initial=-1)) + 1], [r, r], color=FAINT, linewidth=0.6)
    axes.set_yticks(np.arange(len(stacks)) + 0.5, [s.label for s in stacks])
    axes.set_xticks(np.arange(0, table.shape[1], 5) + 0.5, [str(i) for i in range(0, table.shape[1], 5)])
    axes.invert_yaxis()
    axes.set_xlabel("slice index (from 0)")
    plain_axes(axes, size=8.5)
    axes.grid(visible=False)
    bar = figure.colorbar(drawn, ax=axes, pad=0.012, aspect=14)
    bar.set_label("weight", color=INK, fontsize=9)
    bar.ax.tick_params(colors=INK, labelsize=8)
    bar.outline.set_edgecolor(INK)
    return figure
