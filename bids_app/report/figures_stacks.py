"""Pictures of the stacks: a contact sheet with the outline of the mask, and measured beside predicted slices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from bids_app.report.ink import BAD, OUTLINE, TEXT_DARK
from bids_app.report.pictures import PLANES, VIEWS, Picture, box_around, centre_of, cut

Pixels = NDArray[np.uint8]
MARGIN_MM = 9.0
"""How much is shown around the mask."""
PIXELS_PER_MM = 2.0
SHEET_WIDTH = 1200
"""Pixels of a contact sheet, at most."""
GAP = 6
DIFFERENCE_SHARE = 0.25
"""End of the colours of the difference, as a share of what is white in the slice."""
N_GRAYS = 128


@dataclass(frozen=True, kw_only=True)
class StackPicture:
    """What the pictures of a stack are drawn from; arrays in the order of the closest RAS axes."""

    label: str
    te_ms: float
    pixels: NDArray[np.float32]
    """(x, y, z)."""
    mask: NDArray[np.bool_]
    """(x, y, z)."""
    spacing_mm: tuple[float, float, float]
    slice_axis: int
    """Axis along which the slices were acquired."""
    flipped: bool = False
    """Whether the file counts slices against that axis."""
    predicted: NDArray[np.float32] | None = None
    """(x, y, z), NaN where nothing is predicted."""
    aside: frozenset[int] = frozenset()
    """Slices of the file that were set aside."""

    def place_of(self, slice_idx: int) -> int:
        """Index along ``slice_axis`` of a slice of the file."""
        return self.pixels.shape[self.slice_axis] - 1 - slice_idx if self.flipped else slice_idx

    def slices_with_brain(self) -> list[int]:
        """Slices of the file in which the mask has a pixel."""
        others = tuple(a for a in range(3) if a != self.slice_axis)
        places = set(np.flatnonzero(self.mask.any(axis=others)).tolist())
        return [k for k in range(self.pixels.shape[self.slice_axis]) if self.place_of(k) in places]


def gray_window(pixels: NDArray[np.float32], mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Black and white of a stack (x, y, z), in its units: 0 and the 99.5th percentile within the mask.

    Of everything when the mask is empty.
    """
    inside = pixels[mask] if mask.any() else pixels
    return 0.0, max(float(np.nanpercentile(inside, 99.5)), 1e-6)


def contact_sheet(stack: StackPicture) -> Pixels:
    """Two planes across the slices, then every slice with brain, the mask outlined; (row, column, rgb).

    One scale in millimetres for all tiles, 0 to the 99.5th percentile in the mask. Slices set aside have a frame.
    """
    box = box_around(stack.mask, stack.spacing_mm, MARGIN_MM)
    pixels, mask = stack.pixels[box], stack.mask[box]
    first = box[stack.slice_axis].start or 0
    centre = centre_of(mask)
    across = [axis for axis in VIEWS if axis != stack.slice_axis]
    tiles = [_tile(stack, pixels, mask, axis, centre[axis], PLANES[axis]) for axis in across]
    for k in stack.slices_with_brain():
        place = stack.place_of(k) - first
        tiles.append(_tile(stack, pixels, mask, stack.slice_axis, place, str(k), framed=k in stack.aside))
    return _mosaic(tiles)


def _tile(
    stack: StackPicture, pixels: NDArray[np.float32], mask: NDArray[np.bool_], axis: int, index: int, name: str, *,
    framed: bool = False,
) -> Pixels:  # fmt: skip
    low, high = gray_window(stack.pixels, stack.mask)
    picture = cut(pixels, stack.spacing_mm, axis, index)
    gray = 255 * np.clip((np.nan_to_num(np.asarray(picture.pixels, float)) - low) / (high - low), 0, 1)
    shown = np.repeat(_to_scale(gray.astype(np.uint8), picture)[..., None], 3, axis=2)
    inside = _to_scale(255 * np.asarray(cut(mask, stack.spacing_mm, axis, index).pixels, np.uint8), picture) > 127
    shown[outline(inside)] = _rgb(OUTLINE)
    image = Image.fromarray(shown)
    draw = ImageDraw.Draw(image)
    draw.text((4, 2), name, fill=TEXT_DARK, font=ImageFont.load_default(13), stroke_width=2, stroke_fill="#000000")
    if framed:
        draw.rectangle((0, 0, image.width - 1, image.height - 1), outline=BAD, width=3)
    return np.asarray(image)


def outline(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels (row, column) of a shape that touch its outside, on the four sides."""
    padded = np.pad(inside, 1)
    core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.asarray(inside & ~core)


def _to_scale(pixels: Pixels, picture: Picture) -> Pixels:
    size = (round(picture.width_mm * PIXELS_PER_MM), round(picture.height_mm * PIXELS_PER_MM))
    return np.asarray(Image.fromarray(pixels).resize((max(size[0], 1), max(size[1], 1)), Image.Resampling.NEAREST))


def _mosaic(tiles: list[Pixels]) -> Pixels:
    """Tiles from left to right, in rows no wider than ``SHEET_WIDTH``, each row as high as its highest tile."""
    rows: list[list[Pixels]] = [[]]
    for tile in tiles:
        if rows[-1] and sum(t.shape[1] + GAP for t in rows[-1]) + tile.shape[1] > SHEET_WIDTH:
            rows.append([])
        rows[-1].append(tile)
    width = max(sum(t.shape[1] + GAP for t in row) - GAP for row in rows)
    sheet = np.zeros((sum(max(t.shape[0] for t in row) + GAP for row in rows) - GAP, width, 3), dtype=np.uint8)
    top = 0
    for row in rows:
        left = 0
        for tile in row:
            sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
            left += tile.shape[1] + GAP
        top += max(t.shape[0] for t in row) + GAP
    return sheet


def sprite_palette() -> Pixels:
    """Colours (256, 3) of :func:`sprite`: grays, then blue over white to red for the difference."""
    grays = np.repeat(np.linspace(0, 255, N_GRAYS)[:, None], 3, axis=1)
    signed = 255 * colormaps["RdBu_r"](np.linspace(0, 1, 256 - N_GRAYS))[:, :3]
    return np.round(np.concatenate([grays, signed])).astype(np.uint8)


def sprite(stack: StackPicture) -> tuple[Pixels, tuple[int, int], dict[int, int]]:
    """Measured, predicted and difference of every slice with brain, side by side, as indices of :func:`sprite_palette`.

    Returns the picture (3 * height, n * width), the size (width, height) of one tile, and for each slice of the file
    its
    place from the left. Black where nothing is predicted. Empty dictionary without a prediction.
    """
    if stack.predicted is None:
        return np.zeros((3, 1), np.uint8), (1, 1), {}
    box = list(box_around(stack.mask, stack.spacing_mm, MARGIN_MM))
    box[stack.slice_axis] = slice(None)
    at = (box[0], box[1], box[2])
    low, high = gray_window(stack.pixels, stack.mask)
    measured, predicted = stack.pixels[at], stack.predicted[at]
    known = np.isfinite(predicted)
    gray = [np.clip((np.nan_to_num(v) - low) / (high - low), 0, 1) * (N_GRAYS - 1) for v in (measured, predicted)]
    signed = np.clip((measured - np.nan_to_num(predicted)) / (DIFFERENCE_SHARE * (high - low)), -1, 1)
    difference = np.where(known, N_GRAYS + (0.5 + 0.5 * signed) * (255 - N_GRAYS), 0)
    rows, places = [], {}
    for layer in (gray[0], gray[1], difference):
        tiles = []
        for n, k in enumerate(stack.slices_with_brain()):
            picture = cut(layer.round().astype(np.uint8), stack.spacing_mm, stack.slice_axis, stack.place_of(k))
            tiles.append(_even(picture))
            places[k] = n
        if not tiles:
            return np.zeros((3, 1), np.uint8), (1, 1), {}
        rows.append(np.concatenate(tiles, axis=1))
    whole = np.concatenate(rows, axis=0)
    return whole, (whole.shape[1] // len(places), whole.shape[0] // 3), places


def _even(picture: Picture) -> Pixels:
    """A slice whose pixels are square: as they are where they already were."""
    height, width = picture.pixels.shape
    size_mm = min(picture.width_mm / width, picture.height_mm / height)
    shape = (round(picture.width_mm / size_mm), round(picture.height_mm / size_mm))
    pixels = np.asarray(picture.pixels, np.uint8)
    if shape == (width, height):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize(shape, Image.Resampling.NEAREST))


def _rgb(colour: str) -> tuple[int, int, int]:
    return (int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16))
