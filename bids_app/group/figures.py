"""Curves of the group's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bids_app.group.line import Line
from bids_app.group.outliers import column
from bids_app.report.ink import AXIS_COLOURS, BAD, INK, plain_axes

Points = tuple[NDArray[np.float64], NDArray[np.float64], Line | None]
COLUMNS = 3


def t2_over_age(panels: Mapping[str, Points]) -> Figure:
    """T2 (ms) over gestational age (weeks), a panel per region: points, line, and the 95 % interval of the line."""
    n_rows = -(-len(panels) // COLUMNS)
    n_columns = min(COLUMNS, len(panels))
    figure = Figure(figsize=(3.6 * n_columns + 0.6, 2.9 * n_rows + 0.3), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, (name, (age, t2_ms, line)) in zip(grid.flat, panels.items(), strict=False):
        axes.plot(age, t2_ms, "o", color=AXIS_COLOURS[2], markersize=5)
        if line is not None:
            x = np.linspace(np.nanmin(age), np.nanmax(age), 60)
            half = line.half_width(x)
            axes.fill_between(x, line.at(x) - half, line.at(x) + half, color=AXIS_COLOURS[2], alpha=0.2, linewidth=0)
            axes.plot(x, line.at(x), color=AXIS_COLOURS[2], linewidth=1.5)
        axes.set_title(name, fontsize=10, loc="left", color=INK)
        axes.set_xlabel("gestational age (weeks)", fontsize=9)
        axes.set_ylabel("T2 (ms)", fontsize=9)
        plain_axes(axes)
    return figure


def spread(rows: Sequence[dict[str, Any]], measures: Mapping[str, str], marked: Mapping[str, set[int]]) -> Figure:
    """A strip per measure: each session a point, those in ``marked`` in the colour of what is set aside."""
    figure = Figure(figsize=(8.5, 0.75 * len(measures) + 0.4), layout="constrained")
    grid = figure.subplots(len(measures), 1, squeeze=False)[:, 0]
    for axes, (measure, text) in zip(grid, measures.items(), strict=True):
        values = column(rows, measure)
        colours = [BAD if n in marked.get(measure, set()) else AXIS_COLOURS[2] for n in range(len(rows))]
        axes.scatter(values, np.zeros(len(values)), c=colours, s=26, alpha=0.75, linewidths=0)
        axes.set_yticks([])
        axes.set_ylabel(text, fontsize=8, rotation=0, ha="right", va="center")
        plain_axes(axes, 8)
        axes.spines["left"].set_visible(False)
    return figure
