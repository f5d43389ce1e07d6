"""The map of reasons: why a voxel has a T2 or has none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from bids_app.report.ink import PAPER_DARK, TEXT_DARK
from bids_app.report.pictures import columns_of, name_sides, sheet, three_planes

REASONS = (
    ("T2 estimated", "#3d5a6c"),
    ("outside", PAPER_DARK),
    ("fewer than two echo times", "#8d99ae"),
    ("signal not positive", "#b08968"),
    ("signal does not fall", "#e76f51"),
    ("at or beyond a bound", "#f4d35e"),
    ("below the noise", "#a06cd5"),
    ("did not settle", "#ffffff"),
)
"""Words and colour of each code of the derivative ``desc-reason_dseg``."""


def figure_reasons(
    codes: NDArray[np.floating], mask: NDArray[np.bool_], spacing_mm: Sequence[float], *, width_in: float = 11.0
) -> Figure:
    """Codes (x, y, z) in the planes of the T2 map; the legend names those that occur in the mask."""
    (row,) = three_planes([np.where(mask, codes, 1.0)], mask, spacing_mm)
    widths, heights = columns_of([row])
    figure, grid = sheet(widths, heights, width_in=width_in, top_in=0.1, right_in=2.1)
    colours = ListedColormap([colour for _, colour in REASONS])
    norm = BoundaryNorm(np.arange(len(REASONS) + 1) - 0.5, len(REASONS))
    for picture, axes in zip(row, grid[0], strict=True):
        axes.imshow(picture.pixels, cmap=colours, norm=norm, extent=picture.extent, interpolation="nearest")
        name_sides(axes, picture)
    present = [int(code) for code in np.unique(codes[mask]) if 0 <= code < len(REASONS)]
    counts = [100.0 * float(np.mean(codes[mask] == code)) for code in present]
    handles = [
        Patch(facecolor=REASONS[code][1], edgecolor=TEXT_DARK, label=f"{REASONS[code][0]}: {share:.2g} %")
        for code, share in zip(present, counts, strict=True)
    ]
    legend = figure.legend(handles=handles, loc="center right", frameon=False, fontsize=9)
    for text in legend.get_texts():
        text.set_color(TEXT_DARK)
    return figure
