"""Contact sheet of the stacks that went into the reconstruction, with the outline of their masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bids_app.report.ink import OUTLINE, TEXT_DARK
from bids_app.report.pictures import (
    PLANES,
    VIEWS,
    Picture,
    box_around,
    centre_of,
    columns_of,
    cut,
    name_sides,
    scale_bar,
    sheet,
)

MARGIN_MM = 14.0
"""How much is shown around the mask."""
TILES_PER_ROW = 2
TILE_GAP_MM = 12.0
"""Air between the tiles of a row."""


@dataclass(frozen=True, kw_only=True)
class StackPicture:
    """What the contact sheet needs of one stack; arrays in the order of the closest RAS axes."""

    label: str
    te_ms: float
    pixels: NDArray[np.float32]
    """(x, y, z)."""
    mask: NDArray[np.bool_]
    """(x, y, z)."""
    spacing_mm: tuple[float, float, float]
    slice_axis: int
    """Axis along which the slices were acquired."""


def gray_window(pixels: NDArray[np.float32], mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Black and white of a stack: 0 and the 99.5th percentile within the mask (of everything when empty)."""
    inside = pixels[mask] if mask.any() else pixels
    return 0.0, max(float(np.nanpercentile(inside, 99.5)), 1e-6)


def stack_views(stack: StackPicture) -> list[tuple[Picture, Picture]]:
    """The acquired plane, then two planes across the slices: (pixels, mask) through the mask's centre."""
    box = box_around(stack.mask, stack.spacing_mm, MARGIN_MM)
    pixels, mask = stack.pixels[box], stack.mask[box]
    centre = centre_of(mask)
    order = [stack.slice_axis, *(axis for axis in VIEWS if axis != stack.slice_axis)]
    return [
        (
            cut(pixels, stack.spacing_mm, axis, centre[axis]),
            cut(mask, stack.spacing_mm, axis, centre[axis]),
        )
        for axis in order
    ]


def figure_stacks(stacks: Sequence[StackPicture]) -> Figure:
    """Three planes through each stack's mask, outlined; one scale in mm for all, gray window per stack."""
    views = [stack_views(stack) for stack in stacks]
    rows = [views[i : i + TILES_PER_ROW] for i in range(0, len(views), TILES_PER_ROW)]
    pictures = [[pixels for tile in row for pixels, _ in tile] for row in rows]
    widths, heights = columns_of(pictures)
    widths += [max(widths)] * (3 * TILES_PER_ROW - len(widths))
    widths[2] += TILE_GAP_MM
    figure, grid = sheet(widths, heights, row_title_in=0.34)
    for r, row_axes in enumerate(grid):
        for c, axes in enumerate(row_axes):
            tile, view = divmod(c, 3)
            if tile < len(rows[r]):
                _draw(axes, stacks[r * TILES_PER_ROW + tile], rows[r][tile][view], view, widths[c], heights[r])
            else:
                axes.remove()
    return figure


def _draw(
    axes: Axes,
    stack: StackPicture,
    pair: tuple[Picture, Picture],
    view: int,
    cell_width_mm: float,
    cell_height_mm: float,
) -> None:
    picture, outline = pair
    low, high = gray_window(stack.pixels, stack.mask)
    axes.imshow(picture.pixels, cmap="gray", vmin=low, vmax=high, extent=picture.extent, interpolation="nearest")
    if outline.pixels.any():
        inside = np.pad(outline.pixels.astype(float), 1)
        dx = picture.width_mm / picture.pixels.shape[1]
        dy = picture.height_mm / picture.pixels.shape[0]
        x = (np.arange(inside.shape[1]) - 0.5) * dx
        y = picture.height_mm - (np.arange(inside.shape[0]) - 0.5) * dy
        axes.contour(x, y, inside, levels=[0.5], colors=[OUTLINE], linewidths=1.1)
    spare_x, spare_y = cell_width_mm - picture.width_mm, cell_height_mm - picture.height_mm
    axes.set_xlim(-spare_x / 2, picture.width_mm + spare_x / 2)
    axes.set_ylim(-spare_y / 2, picture.height_mm + spare_y / 2)
    name_sides(axes, picture, size=7)
    if view == 0:
        scale_bar(axes, picture)
        title = f"{stack.label}   TE {stack.te_ms:g} ms"
        axes.set_title(title, loc="left", color=TEXT_DARK, fontsize=10, pad=4)
    else:
        axes.set_title(PLANES[picture.axis], color=TEXT_DARK, fontsize=8, pad=4, alpha=0.75)
