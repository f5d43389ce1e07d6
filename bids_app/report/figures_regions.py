"""T2 by region: how its values are spread, and where they lie beside gestational age and the literature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bids_app.report.figures_t2 import HISTOGRAM_BINS, T2_COLOURS
from bids_app.report.ink import AXIS_COLOURS, FAINT, INK, plain_axes
from bids_app.report.literature import LITERATURE, Literature

AGES_WEEKS = (18.0, 40.0)
"""Ages on the axis."""
FLUID = "#5b8def"
TISSUE = {"white matter": AXIS_COLOURS[1], "grey matter": AXIS_COLOURS[0]}


@dataclass(frozen=True, kw_only=True)
class RegionT2:
    """A region: median and quartiles of T2, ms."""

    name: str
    median_ms: float
    q25_ms: float
    q75_ms: float


def figure_regions(
    t2_ms: NDArray[np.float32], fluid: NDArray[np.float32] | None, regions: Sequence[RegionT2], high_ms: float
) -> Figure:
    """Above: histogram of T2 in the brain (voxel,), those that more probably than not hold 5 % fluid apart.

    Below: quartiles by region.

    ``fluid``: probability of 5 % fluid or more (voxel,), NaN where it was not tested; None: not known. One axis in ms
    for both;
    what lies above its end is counted in the last bin.
    """
    figure = Figure(figsize=(8.0, 3.0 + 0.3 * len(regions)), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.4, 0.35 + 0.3 * max(len(regions), 1)))
    known = np.isfinite(t2_ms)
    wet = np.zeros_like(known) if fluid is None else np.nan_to_num(fluid) > 0.5
    edges = np.linspace(0.0, high_ms, HISTOGRAM_BINS + 1)
    middle = (edges[:-1] + edges[1:]) / 2
    shares = []
    for which in (known & ~wet, known & wet):
        counts, _ = np.histogram(np.clip(t2_ms[which], 0, high_ms), bins=edges)
        shares.append(100.0 * counts / max(int(known.sum()), 1))
    colours = colormaps[T2_COLOURS](middle / high_ms)
    upper.bar(middle, shares[0], width=np.diff(edges), color=colours, edgecolor="none")
    if fluid is not None:
        upper.bar(
            middle, shares[1], width=np.diff(edges), bottom=shares[0], color=FLUID, alpha=0.55, edgecolor="none",
            label="more probably than not 5 % fluid or more",
        )  # fmt: skip
        upper.legend(frameon=False, fontsize=8.5, labelcolor=INK, loc="upper left")
    upper.set_ylim(0, 1.2 * max(float((shares[0] + shares[1])[:-1].max()), 0.1))
    upper.set_ylabel("brain voxels (%)", fontsize=9)
    percent = 100.0 * float(np.mean(t2_ms[known] > high_ms)) if known.any() else 0.0
    if percent >= 0.5:
        text = f"{percent:.0f} % above {high_ms:g} ms →"
        upper.text(0.985, 0.93, text, color=INK, fontsize=9, ha="right", va="top", transform=upper.transAxes)
    _quartiles(lower, regions, high_ms)
    for axes in (upper, lower):
        plain_axes(axes, size=8.5)
    lower.set_xlim(0, high_ms)
    lower.set_xlabel("T2 (ms)")
    return figure


def _quartiles(axes: object, regions: Sequence[RegionT2], high_ms: float) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    for row, region in enumerate(regions):
        if region.q25_ms >= high_ms:
            axes.text(
                0.985 * high_ms, row, f"{region.median_ms:.0f} ms →", fontsize=8.5, color=INK, ha="right", va="center"
            )
            continue
        colour = colormaps[T2_COLOURS](min(region.median_ms / high_ms, 1.0))
        axes.barh(row, region.q75_ms - region.q25_ms, left=region.q25_ms, height=0.55, color=colour, edgecolor="none")
        axes.plot([region.median_ms] * 2, [row - 0.36, row + 0.36], color=INK, linewidth=2)
    axes.set_yticks(range(len(regions)), [r.name for r in regions])
    axes.set_ylim(max(len(regions), 1) - 0.4, -0.6)


def figure_age(
    regions: Sequence[RegionT2],
    age_weeks: float | None,
    field_t: float | None,
    literature: Sequence[Literature] = LITERATURE,
) -> Figure:
    """T2 (ms) of the session's regions at its gestational age (weeks), beside values of the literature.

    Without an age the regions are drawn as lines over all ages. Values at another field strength are faint and dashed.
    """
    figure = Figure(figsize=(8.0, 3.9), layout="constrained")
    axes = figure.add_subplot()
    for entry in literature:
        same = field_t is not None and abs(entry.field_t - field_t) < 0.1
        colour, alpha = TISSUE.get(entry.tissue, FAINT), 1.0 if same else 0.5
        middle = (entry.low_ms + entry.high_ms) / 2
        if entry.high_ms > entry.low_ms:
            axes.axhspan(entry.low_ms, entry.high_ms, color=colour, alpha=0.16 if same else 0.09, linewidth=0)
        else:
            axes.axhline(middle, color=colour, linewidth=1.6, alpha=alpha, linestyle="-" if same else "--")
        words = f"{entry.tissue}, {entry.field_t:g} T ({entry.source})"
        axes.text(
            AGES_WEEKS[1] - 0.15, middle, words, fontsize=8, color=INK, ha="right", va="bottom", alpha=max(alpha, 0.8)
        )
    at = float(np.mean(AGES_WEEKS)) if age_weeks is None else age_weeks
    for n, region in enumerate(regions):
        x = at + 0.35 * (n - (len(regions) - 1) / 2)
        if age_weeks is None:
            axes.axhline(region.median_ms, color=AXIS_COLOURS[2], linewidth=1.2)
            x = AGES_WEEKS[0] + 0.2
        else:
            axes.plot(
                [x, x], [region.q25_ms, region.q75_ms], color=AXIS_COLOURS[2], linewidth=2.2, solid_capstyle="round"
            )
            axes.plot(
                [x],
                [region.median_ms],
                "o",
                color=AXIS_COLOURS[2],
                markersize=7,
                markeredgecolor=INK,
                markeredgewidth=0.6,
            )
        axes.text(x + 0.3, region.median_ms, region.name, fontsize=8.5, color=INK, va="center", fontweight="bold")
    heights = [region.q75_ms for region in regions] + [entry.high_ms for entry in literature]
    axes.set_xlim(*AGES_WEEKS)
    axes.set_ylim(100, 1.12 * max(heights, default=400.0))
    axes.set_xlabel(
        "gestational age (weeks)"
        if age_weeks is not None
        else "gestational age (weeks); that of this session is not known"
    )
    axes.set_ylabel("T2 (ms)")
    plain_axes(axes)
    return figure
