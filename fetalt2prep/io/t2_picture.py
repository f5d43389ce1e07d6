"""One picture of a T2 fit, for a first look."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fetalt2prep.core.t2.fit import T2Reason

REASON_COLOURS = ("#3a7d44", "#101018", "#8d99ae", "#5c677d", "#e07a5f", "#f2cc8f", "#6d597a", "#d62828")
"""One per code of T2Reason, in its order."""
N_COLUMNS = 3


def write_t2_picture(
    t2_s: NDArray[np.floating],
    stderr_s: NDArray[np.floating],
    reason: NDArray[np.integer],
    voxel_mm: NDArray[np.floating],
    path: Path,
    *,
    title: str,
) -> Path:
    """T2 and its standard error (ms) and the reasons in up to three planes across the third axis; returns ``path``.

    All (x, y, z), s; planes are in the order of the file, the first axis to the right and the second upwards.
    """
    planes = _planes(np.isfinite(t2_s))
    figure = Figure(figsize=(3.2 * len(planes) + 1.4, 8.6), layout="constrained")
    grid = figure.subplots(3, len(planes), squeeze=False)
    t2_ms, error_ms = 1000 * t2_s, 1000 * stderr_s
    known = t2_ms[np.isfinite(t2_ms)]
    high = _round(float(np.percentile(known, 90)) * 1.3) if known.size else 1.0
    tissue = error_ms[np.isfinite(error_ms) & (t2_ms <= high)]
    rows = (
        (t2_ms, "T2 (ms)", high, "viridis"),
        (
            error_ms,
            "standard error of T2 (ms)",
            _round(float(np.percentile(tissue, 95))) if tissue.size else 1.0,
            "magma",
        ),
    )
    aspect = float(voxel_mm[1] / voxel_mm[0])
    for row, (values, label, end, colours) in enumerate(rows):
        for axes, plane in zip(grid[row], planes, strict=True):
            shown = axes.imshow(
                values[:, :, plane].T, cmap=colormaps[colours].with_extremes(bad="#b8b8b8"),
                vmin=0.0, vmax=end, origin="lower", aspect=aspect, interpolation="nearest",
            )  # fmt: skip
        figure.colorbar(shown, ax=grid[row], label=label, extend="max", shrink=0.85)
    codes = [int(code) for code in T2Reason]
    norm = BoundaryNorm([code - 0.5 for code in [*codes, codes[-1] + 1]], len(codes))
    for axes, plane in zip(grid[2], planes, strict=True):
        shown = axes.imshow(
            reason[:, :, plane].T, cmap=ListedColormap(list(REASON_COLOURS)), norm=norm,
            origin="lower", aspect=aspect, interpolation="nearest",
        )  # fmt: skip
    bar = figure.colorbar(shown, ax=grid[2], ticks=codes, shrink=0.95)
    bar.ax.set_yticklabels([code.name for code in T2Reason], fontsize=7)
    for axes in grid.ravel():
        axes.set_axis_off()
    for axes, plane in zip(grid[0], planes, strict=True):
        axes.set_title(f"plane {plane}", fontsize=9)
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=110)
    return path


def _planes(known: NDArray[np.bool_]) -> list[int]:
    """Planes through the quarters of what has a T2, at most three."""
    filled = np.flatnonzero(known.any((0, 1)))
    if not filled.size:
        return [known.shape[2] // 2]
    shares = (0.25, 0.5, 0.75) if filled.size >= N_COLUMNS else (0.5,)
    return sorted({int(filled[int(share * (filled.size - 1))]) for share in shares})


def _round(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten, or of 3, 4, 6, 8."""
    if not value > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step * power for step in (1, 2, 3, 4, 5, 6, 8, 10) if value <= step * power * (1 + 1e-9)))
