"""How well the model fits: measured against predicted pixels, and decay curves of single voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bids_app.report.decay import Decay
from bids_app.report.figures_t2 import T2_COLOURS
from bids_app.report.ink import AXIS_COLOURS, FAINT, INK, plain_axes

COUNT_COLOURS = "viridis"
BINS = 90


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Measured and predicted pixels of one echo time."""

    te_ms: float
    measured: NDArray[np.float32]
    """(pixel,), scanner units."""
    predicted: NDArray[np.float32]
    """(pixel,)."""

    @property
    def correlation(self) -> float:
        """Pearson's coefficient; NaN where either is the same everywhere."""
        if len(self.measured) < 2 or not np.ptp(self.measured) or not np.ptp(self.predicted):
            return float("nan")
        return float(np.corrcoef(self.measured, self.predicted)[0, 1])

    @property
    def error_percent(self) -> float:
        """Root mean square of the difference over the mean of the measured pixels, per cent."""
        error = float(np.sqrt(np.mean((self.measured - self.predicted) ** 2)))
        return 100.0 * error / max(float(np.mean(self.measured)), 1e-9)


def figure_agreement(found: Sequence[Agreement]) -> Figure:
    """A panel per echo time: counts of pixels by predicted (across) and measured (up) intensity.

    And the line of equality.
    """
    figure = Figure(figsize=(11.0, 3.7), layout="constrained")
    grid = figure.subplots(1, len(found), squeeze=False)[0]
    drawn = None
    for axes, echo in zip(grid, found, strict=True):
        high = max(float(np.percentile(echo.measured, 99.8)), float(np.percentile(echo.predicted, 99.8)), 1e-6)
        counts, edges, _ = np.histogram2d(echo.predicted, echo.measured, bins=BINS, range=((0, high), (0, high)))
        drawn = axes.imshow(
            np.ma.masked_less(counts.T, 1),
            origin="lower",
            extent=(0, high, 0, high),
            cmap=COUNT_COLOURS,
            norm=LogNorm(1, max(float(counts.max()), 10.0)),
            interpolation="nearest",
        )
        axes.plot([0, high], [0, high], color=AXIS_COLOURS[0], linewidth=1.3, label="equal")
        axes.set_title(
            f"TE {echo.te_ms:g} ms: r = {echo.correlation:.3f}, error {echo.error_percent:.1f} %",
            fontsize=10,
            loc="left",
            color=INK,
        )
        axes.set_xlabel("predicted (scanner units)", fontsize=9)
        axes.set_xlim(0, edges[-1])
        plain_axes(axes, size=8)
    grid[0].set_ylabel("measured (scanner units)", fontsize=9, color=INK)
    if drawn is not None:
        bar = figure.colorbar(drawn, ax=grid[-1], pad=0.02, aspect=22)
        bar.set_label("pixels", color=INK, fontsize=9)
        bar.ax.tick_params(colors=INK, labelsize=8)
        bar.outline.set_edgecolor(INK)
    return figure


def figure_decays(decays: Sequence[Decay], high_ms: float) -> Figure:
    """A curve per voxel on a logarithmic scale, in the colour of its T2 on the map: echoes, fit and 95 % band."""
    figure = Figure(figsize=(8.0, 3.6), layout="constrained")
    axes = figure.add_subplot()
    last = max((float(d.te_ms.max()) for d in decays), default=100.0)
    times = np.linspace(0.0, 1.08 * last, 80)
    for decay in decays:
        colour = colormaps[T2_COLOURS](0.92 * min(decay.t2_ms / high_ms, 1.0))
        error = f" ± {decay.stderr_ms:.0f}" if np.isfinite(decay.stderr_ms) else ""
        name = f"T2 {decay.t2_ms:.0f}{error} ms ({decay.percentile:.0f}th percentile)"
        axes.plot(times, decay.fitted(times), color=colour, linewidth=1.6, label=name)
        axes.plot(decay.te_ms, decay.echoes, "o", color=colour, markersize=5, markeredgecolor=INK, markeredgewidth=0.6)
        if np.isfinite(decay.stderr_ms):
            axes.fill_between(times, *decay.band(times), color=colour, alpha=0.22, linewidth=0)
    axes.set_yscale("log")
    axes.set_xlim(0, float(times[-1]))
    axes.set_xlabel("echo time (ms)")
    axes.set_ylabel("signal (scanner units)")
    plain_axes(axes)
    axes.grid(color=FAINT, linewidth=0.5, alpha=0.7)
    legend = axes.legend(frameon=False, fontsize=8.5, labelcolor=INK, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    legend.set_in_layout(True)
    return figure
