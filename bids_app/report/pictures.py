"""Flat pictures cut out of volumes, and the sheet they are pinned to at one scale in millimetres.

Volumes are in the order of the closest RAS axes (x to the right, y to the front, z up). Pictures follow the
radiological convention: the right side of the scanner frame on the left of the picture, front or head end on
top; the front is on the left of sagittal pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from bids_app.report.ink import PAPER_DARK, TEXT_DARK

PLANES = ("sagittal", "coronal", "axial")
"""Name of the plane that is perpendicular to axis 0, 1, 2 of an RAS volume."""
SIDES = (("A", "P", "S", "I"), ("R", "L", "S", "I"), ("R", "L", "A", "P"))
"""Left, right, top, bottom of the picture perpendicular to axis 0, 1, 2."""
VIEWS = (2, 1, 0)
"""Axial, coronal, sagittal: the order in which planes are shown."""
MARGIN_MM = 4.0
"""Around the brain in pictures of what was reconstructed."""
_HALO = [withStroke(linewidth=2.2, foreground=PAPER_DARK)]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One plane of a volume, ready to be shown: rows from top to bottom."""

    pixels: NDArray[np.generic]
    """(row, column)."""
    width_mm: float
    height_mm: float
    axis: int
    """Axis of the volume that the plane is perpendicular to."""

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom, top in millimetres, as matplotlib wants it."""
        return (0.0, self.width_mm, 0.0, self.height_mm)


def cut(volume: NDArray[np.generic], spacing_mm: Sequence[float], axis: int, index: int) -> Picture:
    """Plane ``index`` perpendicular to ``axis`` of an RAS volume (x, y, z), in radiological convention."""
    pixels = np.take(volume, index, axis=axis).T[::-1, ::-1]
    across, up = (a for a in range(3) if a != axis)
    return Picture(
        pixels=pixels,
        width_mm=float(volume.shape[across] * spacing_mm[across]),
        height_mm=float(volume.shape[up] * spacing_mm[up]),
        axis=axis,
    )


def box_around(mask: NDArray[np.bool_], spacing_mm: Sequence[float], margin_mm: float) -> tuple[slice, slice, slice]:
    """Ranges of the bounding box of a mask (x, y, z) with a margin; the whole volume for an empty mask."""
    if not mask.any():
        return (slice(None), slice(None), slice(None))
    ranges = []
    for axis in range(3):
        inside = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        margin = round(margin_mm / float(spacing_mm[axis]))
        ranges.append(slice(max(int(inside[0]) - margin, 0), int(inside[-1]) + margin + 1))
    return (ranges[0], ranges[1], ranges[2])


def centre_of(mask: NDArray[np.bool_]) -> tuple[int, int, int]:
    """Index nearest to the centre of mass of a mask (x, y, z); the middle of the volume for an empty mask."""
    if not mask.any():
        x, y, z = (n // 2 for n in mask.shape)
        return (x, y, z)
    x, y, z = (round(float(c)) for c in np.argwhere(mask).mean(axis=0))
    return (x, y, z)


def three_planes(
    volumes: Sequence[NDArray[np.generic]], mask: NDArray[np.bool_], spacing_mm: Sequence[float]
) -> list[list[Picture]]:
    """Volumes (x, y, z) cut in the planes of ``VIEWS`` through the middle of the brain: (volume, plane).

    Each picture is the box around the mask (x, y, z) with ``MARGIN_MM`` around it.
    """
    box = box_around(mask, spacing_mm, MARGIN_MM)
    centre = centre_of(mask[box])
    return [[cut(volume[box], spacing_mm, axis, centre[axis]) for axis in VIEWS] for volume in volumes]


def columns_of(pictures: Sequence[Sequence[Picture]]) -> tuple[list[float], list[float]]:
    """Width of each column and height of each row, in millimetres, of a table of pictures (row, column)."""
    n_columns = max(len(row) for row in pictures)
    widths = [max(row[c].width_mm for row in pictures if c < len(row)) for c in range(n_columns)]
    return widths, [max(p.height_mm for p in row) for row in pictures]


def sheet(
    widths_mm: Sequence[float],
    heights_mm: Sequence[float],
    *,
    width_in: float = 12.0,
    left_in: float = 0.1,
    right_in: float = 0.1,
    top_in: float = 0.1,
    gap_in: float = 0.08,
    row_title_in: float = 0.0,
) -> tuple[Figure, list[list[Axes]]]:
    """A dark figure with one empty panel per cell, all at the same number of inches per millimetre.

    ``row_title_in`` leaves room above each row. Returns the figure and its axes (row, column).
    """
    room_in = width_in - left_in - right_in - gap_in * (len(widths_mm) - 1)
    in_per_mm = room_in / sum(widths_mm)
    height_in = top_in + sum(h * in_per_mm + row_title_in + gap_in for h in heights_mm) + 0.02
    figure = Figure(figsize=(width_in, height_in), facecolor=PAPER_DARK)
    grid: list[list[Axes]] = []
    top = height_in - top_in
    for height_mm in heights_mm:
        bottom = top - row_title_in - height_mm * in_per_mm
        left = left_in
        row = []
        for width_mm in widths_mm:
            box = (left, bottom, width_mm * in_per_mm, height_mm * in_per_mm)
            axes = figure.add_axes((box[0] / width_in, box[1] / height_in, box[2] / width_in, box[3] / height_in))
            axes.set_axis_off()
            row.append(axes)
            left += width_mm * in_per_mm + gap_in
        grid.append(row)
        top = bottom - gap_in
    return figure, grid


def name_sides(axes: Axes, picture: Picture, size: float = 8.0) -> None:
    """Letters R, L, A, P, S, I at the borders of a panel."""
    left, right, top, bottom = SIDES[picture.axis]
    for x, y, letter, across, up in (
        (0.015, 0.5, left, "left", "center"),
        (0.985, 0.5, right, "right", "center"),
        (0.5, 0.985, top, "center", "top"),
        (0.5, 0.015, bottom, "center", "bottom"),
    ):
        axes.text(
            x,
            y,
            letter,
            ha=across,
            va=up,
            transform=axes.transAxes,
            color=TEXT_DARK,
            fontsize=size,
            path_effects=_HALO,
        )


def scale_bar(axes: Axes, picture: Picture) -> None:
    """A bar of 20 mm, less in a small picture, in the lower left corner of a panel."""
    length_mm = next((n for n in (20.0, 10.0, 5.0, 2.0) if n <= 0.5 * picture.width_mm), 1.0)
    axes.autoscale(False)
    x, y = 0.04 * picture.width_mm, 0.06 * picture.height_mm
    axes.plot([x, x + length_mm], [y, y], color=TEXT_DARK, linewidth=2.0, solid_capstyle="butt", path_effects=_HALO)
    axes.text(x, y + 1.0, f"{length_mm:g} mm", color=TEXT_DARK, fontsize=8, va="bottom", path_effects=_HALO)
