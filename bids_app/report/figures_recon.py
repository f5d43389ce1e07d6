"""The reconstructed volume of every echo time in three planes, all in one gray window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bids_app.report.ink import TEXT_DARK
from bids_app.report.pictures import PLANES, columns_of, name_sides, scale_bar, sheet, three_planes


def shared_window(echoes: NDArray[np.float32], mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Black and white for all echoes (echo, x, y, z): 0 and the 99.5th percentile of the brightest echo."""
    inside = echoes[:, mask] if mask.any() else echoes.reshape(len(echoes), -1)
    return 0.0, max(float(np.nanmax(np.nanpercentile(inside, 99.5, axis=1))), 1e-6)


def figure_recon(
    echoes: NDArray[np.float32],
    te_ms: Sequence[float],
    mask: NDArray[np.bool_],
    spacing_mm: Sequence[float],
    *,
    window: tuple[float, float] | None = None,
) -> Figure:
    """One row per echo time, planes axial, coronal, sagittal through the middle of the brain.

    ``echoes`` (echo, x, y, z) and ``mask`` (x, y, z) in the order of the closest RAS axes. The gray window is
    :func:`shared_window` unless given, so that the decay from row to row is the decay of the signal.
    """
    rows = three_planes(list(echoes), mask, spacing_mm)
    low, high = window or shared_window(echoes, mask)
    widths, heights = columns_of(rows)
    figure, grid = sheet(widths, heights, width_in=11.0, top_in=0.35)
    for r, (pictures, panels) in enumerate(zip(rows, grid, strict=True)):
        for picture, axes in zip(pictures, panels, strict=True):
            axes.imshow(
                picture.pixels,
                cmap="gray",
                vmin=low,
                vmax=high,
                extent=picture.extent,
                interpolation="nearest",
            )
            name_sides(axes, picture)
            if r == 0:
                axes.set_title(PLANES[picture.axis], color=TEXT_DARK, fontsize=11, pad=5)
        panels[0].text(
            0.02, 0.975, f"TE {te_ms[r]:g} ms", color=TEXT_DARK, fontsize=12, fontweight="bold", va="top",
            transform=panels[0].transAxes,
        )  # fmt: skip
        scale_bar(panels[0], pictures[0])
    return figure
