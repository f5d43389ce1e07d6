"""The T2 map and how sure it is, in three planes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from bids_app.report.ink import NO_ANSWER, TEXT_DARK
from bids_app.report.pictures import PLANES, Picture, columns_of, name_sides, scale_bar, sheet, three_planes

T2_COLOURS = "viridis"
DOUBT_COLOURS = "magma"
S0_COLOURS = "gray"
DOUBT_PERCENTILE = 80.0
"""The border of the brain has errors many times those of the inside, which a wider bar would hide."""
HISTOGRAM_BINS = 80


@dataclass(frozen=True, kw_only=True)
class MapPicture:
    """One quantity to be shown in three planes."""

    values: NDArray[np.float32]
    """(x, y, z) in the order of the closest RAS axes; NaN where there is no answer."""
    label: str
    """Name and unit, written at the colour bar."""
    high: float
    """Upper end of the colour bar; the lower is 0."""
    colours: str = DOUBT_COLOURS
    above: str | None = None
    """Colour of what lies above ``high``; None: the last one of the bar."""


def t2_range_ms(field_t: float | None) -> float:
    """Upper end of the T2 colour bar: 400 ms from 1 T on, 600 ms below or where the field is unknown.

    T2 falls with the field: fetal brain has about 200 to 400 ms at 0.55 T and less at 1.5 T and 3 T.
    """
    return 400.0 if field_t is not None and field_t >= 1.0 else 600.0


def doubt_range(doubt: NDArray[np.float32], t2_ms: NDArray[np.float32], t2_high_ms: float) -> float:
    """Upper end of a colour bar for the error of T2, both (x, y, z) and NaN without an answer.

    80th percentile over the tissue, which is where T2 lies on the colour bar of the map, rounded up: fluid, whose T2
    and error are many times those of tissue, takes no part. Over all voxels when there is no tissue.
    """
    known = np.isfinite(doubt)
    tissue = known & (t2_ms <= t2_high_ms)
    values = doubt[tissue if tissue.any() else known]
    return round_up(float(np.percentile(values, DOUBT_PERCENTILE))) if len(values) else 1.0


def round_up(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten: an end for a colour bar that a reader can say aloud."""
    if not np.isfinite(value) or value <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step * power for step in (1, 2, 5, 10) if value <= step * power * (1 + 1e-9)))


def figure_maps(
    maps: Sequence[MapPicture],
    mask: NDArray[np.bool_],
    spacing_mm: Sequence[float],
    *,
    width_in: float = 11.0,
) -> Figure:
    """One row per map: axial, coronal, sagittal through the middle of the brain and a colour bar.

    Voxels of ``mask`` (x, y, z) that have no value are gray; outside the mask is background.
    """
    inside, *rows = three_planes([mask, *(shown.values for shown in maps)], mask, spacing_mm)
    widths, heights = columns_of(rows)
    figure, grid = sheet(widths, heights, width_in=width_in, top_in=0.35, right_in=1.25)
    for r, shown in enumerate(maps):
        image = None
        for picture, outline, axes in zip(rows[r], inside, grid[r], strict=True):
            image = _draw(axes, picture, np.asarray(outline.pixels, bool), shown)
            if r == 0:
                axes.set_title(PLANES[picture.axis], color=TEXT_DARK, fontsize=11, pad=5)
        scale_bar(grid[r][0], rows[r][0])
        if image is not None:
            _colour_bar(figure, image, grid[r][-1], shown)
    return figure


def _draw(axes: Axes, picture: Picture, inside: NDArray[np.bool_], shown: MapPicture) -> AxesImage:
    values = np.where(inside, picture.pixels, np.nan)
    gaps = np.where(inside & ~np.isfinite(values), 1.0, np.nan)
    axes.imshow(gaps, cmap=ListedColormap([NO_ANSWER]), extent=picture.extent, interpolation="nearest")
    colours = colormaps[shown.colours]
    if shown.above is not None:
        colours = colours.with_extremes(over=shown.above)
    image = axes.imshow(values, cmap=colours, vmin=0.0, vmax=shown.high, extent=picture.extent, interpolation="nearest")
    name_sides(axes, picture)
    return image


def _colour_bar(figure: Figure, image: AxesImage, beside: Axes, shown: MapPicture) -> Colorbar:
    box = beside.get_position()
    bar_axes = figure.add_axes(
        (box.x1 + 0.012, box.y0 + 0.06 * box.height, 0.016, 0.88 * box.height), label="colour bar"
    )
    bar = figure.colorbar(image, cax=bar_axes, extend="max")
    bar.set_label(shown.label, color=TEXT_DARK, fontsize=10, labelpad=7)
    bar.ax.tick_params(colors=TEXT_DARK, labelsize=9)
    bar.outline.set_edgecolor(TEXT_DARK)
    return bar
