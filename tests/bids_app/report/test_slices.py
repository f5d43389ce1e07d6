"""Contact sheets, measured beside predicted slices, motion curves, heat maps: what is drawn."""

from __future__ import annotations

import re

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_hex

from bids_app.report.figures_heat import RESIDUAL_HIGH, relative_residual, residual_map, weight_map, worst_slice
from bids_app.report.figures_motion import StackMotion, acquisition_order, common_limit, figure_motion
from bids_app.report.figures_stacks import (
    N_GRAYS,
    PIXELS_PER_MM,
    StackPicture,
    contact_sheet,
    outline,
    sprite,
    sprite_palette,
)
from bids_app.report.ink import AXIS_COLOURS, BAD, OUTLINE


def rgb(colour: str) -> list[int]:
    return [int(colour[n : n + 2], 16) for n in (1, 3, 5)]


def stack(slice_axis: int = 2, *, flipped: bool = False, aside: frozenset[int] = frozenset()) -> StackPicture:
    """Brain of 100 on 10 in slices 2 to 6 of 9; predicted 90 inside."""
    spacing, shape = [1.0, 1.0, 1.0], [40, 44, 36]
    spacing[slice_axis], shape[slice_axis] = 4.0, 9
    mask = np.zeros(shape, bool)
    inside = [slice(n // 4, n - n // 4) for n in shape]
    inside[slice_axis] = slice(2, 7)
    mask[tuple(inside)] = True
    return StackPicture(
        label="acq-ax", te_ms=300.0, pixels=np.where(mask, 100, 10).astype(np.float32), mask=mask, flipped=flipped,
        spacing_mm=(spacing[0], spacing[1], spacing[2]), slice_axis=slice_axis, aside=aside,
        predicted=np.where(mask, 90, np.nan).astype(np.float32),
    )  # fmt: skip


def test_slices_with_brain_are_those_of_the_file() -> None:
    assert stack().slices_with_brain() == [2, 3, 4, 5, 6]
    upside_down = stack(flipped=True)
    upside_down.mask[:, :, 2] = False
    assert upside_down.slices_with_brain() == [2, 3, 4, 5]
    assert upside_down.place_of(2) == 6


def test_a_contact_sheet_shows_every_slice_outlined_at_one_scale() -> None:
    sheet = contact_sheet(stack())
    orange = (sheet == rgb(OUTLINE)).all(axis=-1)
    assert orange.any()
    assert (sheet == 255).all(axis=-1).any()  # brain at the 99.5th percentile is white
    # The first row is as high as a slice: 22 mm of mask and a margin of 9 mm on both sides.
    height_mm = 22 + 2 * 9
    assert sheet.shape[0] == round(height_mm * PIXELS_PER_MM)
    assert not (sheet == rgb(BAD)).all(axis=-1).any()
    framed = contact_sheet(stack(aside=frozenset({3})))
    assert (framed == rgb(BAD)).all(axis=-1).sum() > 100


@pytest.mark.parametrize("slice_axis", [0, 1, 2])
def test_an_empty_mask_is_shown_without_outline(slice_axis: int) -> None:
    blank = stack(slice_axis)
    blank.mask[:] = False
    sheet = contact_sheet(blank)
    assert not (sheet == rgb(OUTLINE)).all(axis=-1).any()
    assert sprite(blank)[2] == {}


def test_the_outline_is_the_border_of_the_shape() -> None:
    inside = np.zeros((6, 6), bool)
    inside[1:5, 1:5] = True
    assert outline(inside).sum() == 12
    assert not outline(inside)[2:4, 2:4].any()


def test_measured_predicted_and_difference_lie_below_each_other() -> None:
    shown = stack()
    pixels, (width, height), places = sprite(shown)
    assert places == {2: 0, 3: 1, 4: 2, 5: 3, 6: 4}
    assert pixels.shape == (3 * height, 5 * width)
    middle = [pixels[row * height + height // 2, width // 2] for row in range(3)]
    assert middle[0] == N_GRAYS - 1  # the 99.5th percentile is white
    assert middle[1] == round(0.9 * (N_GRAYS - 1))
    assert middle[2] == round(N_GRAYS + (0.5 + 0.5 * 10 / 25) * (255 - N_GRAYS))  # 10 % of a range of 25 %
    assert pixels[2 * height, 0] == 0  # nothing predicted there
    palette = sprite_palette()
    red, _, blue = palette[middle[2]].astype(int)
    assert red > blue  # measured above predicted
    assert palette[N_GRAYS - 1].tolist() == [255, 255, 255]
    assert (palette[N_GRAYS] == np.round(255 * np.array(colormaps["RdBu_r"](0.0)[:3]))).all()


def test_pixels_that_are_not_square_are_made_so() -> None:
    wide = stack()
    object.__setattr__(wide, "spacing_mm", (2.0, 1.0, 4.0))
    _, (width, height), _ = sprite(wide)
    assert (width, height) == (2 * (20 + 2 * 4), 22 + 2 * 9)


def motion(n: int = 6, *, timed: bool = True) -> StackMotion:
    status = np.array(["used"] * n, dtype="<U9")
    status[0], status[3] = "empty", "set-aside"
    rotation = np.tile([1.0, -2.0, 5.0], (n, 1))
    rotation[0] = 90.0  # of an empty slice: must not widen the range
    residual = np.array([np.nan, 10.0, 20.0, 90.0, 20.0, 30.0][:n])
    return StackMotion(
        name="sub-01_acq-ax_T2w", label="acq-ax, TE 300 ms", te_ms=300.0, slice_idx=np.arange(n), rotation_deg=rotation,
        time_s=np.array([0.0, 6.0, 2.0, 8.0, 4.0, 10.0][:n]) if timed else np.full(n, np.nan), residual=residual,
        shift_mm=np.tile([0.0, 3.0, 0.5], (n, 1)), weight=np.linspace(0, 1, n), status=status,
    )  # fmt: skip


def test_motion_is_drawn_in_order_of_acquisition_with_units_and_crosses() -> None:
    moved = motion()
    np.testing.assert_array_equal(acquisition_order(moved.time_s, moved.slice_idx), [0, 2, 4, 1, 3, 5])
    unknown = motion(timed=False)
    np.testing.assert_array_equal(acquisition_order(unknown.time_s, unknown.slice_idx), np.arange(6))
    svg = str(figure_motion([moved, unknown]))
    assert common_limit([moved], "rotation_deg") == pytest.approx(5.4)
    for text in ("acq-ax, TE 300 ms: rotation", "acq-ax, TE 300 ms: displacement", "deg<", "mm<", "x (left-right)"):
        assert text in svg
    assert svg.count('class="cross"') == 1 + 4  # the key, and one per panel
    assert f'stroke="{BAD}"' in svg
    for axis, colour in zip("xyz", AXIS_COLOURS, strict=True):
        assert len(re.findall(rf'class="axis-{axis}" d="[^"]+" stroke="{colour}"', svg)) == 4
    # Slice 3 was acquired fifth: the curve is broken there, and starts anew with the sixth.
    path = re.search(r'class="axis-z" d="([^"]+)"', svg)
    assert path is not None
    assert [piece.count("L") for piece in path[1].split("M")[1:]] == [2, 0]


def test_labels_are_escaped() -> None:
    evil = motion()
    object.__setattr__(evil, "label", "<script>alert(1)</script>")
    assert "<script" not in str(figure_motion([evil]))


def test_weights_are_a_table_of_stack_by_slice() -> None:
    stacks = [motion(6), motion(4)]
    shown = weight_map(stacks, [{k: k - 1 for k in range(1, 6)}, {}])
    assert (shown.low, shown.high, shown.n_slices) == ("0", "1", 6)
    first, second = (cells for _, cells in shown.rows)
    assert [cell.status for cell in first] == ["empty", "used", "used", "set-aside", "used", "used"]
    assert [cell.status for cell in second[4:]] == ["none", "none"]
    assert [cell.text for cell in first] == ["", "0.2", "0.4", "0.6", "0.8", "1.0"]
    assert first[5].colour == to_hex(colormaps["cividis"](1.0))
    assert first[5].words == "acq-ax, TE 300 ms, slice 5: weight 1.0"
    assert first[3].words.endswith("weight 0.6, set aside")
    assert [cell.column for cell in first] == [None, 0, 1, 2, 3, 4]
    assert (shown.colours[0], shown.colours[-1]) == (
        to_hex(colormaps["cividis"](0.0)),
        to_hex(colormaps["cividis"](1.0)),
    )


def test_residuals_are_relative_to_their_echo_time() -> None:
    stacks = [motion()]
    np.testing.assert_allclose(relative_residual(stacks)[0], [np.nan, 0.5, 1.0, 4.5, 1.0, 1.5])
    assert worst_slice(stacks) == (0, 3)
    shown = residual_map(stacks, [{k: k - 1 for k in range(1, 6)}])
    cells = shown.rows[0][1]
    assert cells[3].text == "4.5"
    assert cells[3].colour == to_hex(colormaps["magma"](1.0))  # above the end of the bar
    assert cells[1].colour == to_hex(colormaps["magma"](0.5 / RESIDUAL_HIGH))
    assert [cell.start for cell in cells] == [False, False, False, True, False, False]
    assert "3 times the median" in shown.high


def test_text_on_a_cell_can_be_read() -> None:
    """Contrast of at least 4.5 : 1 by WCAG 2 for every cell."""

    def luminance(colour: str) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in rgb(colour))]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    many = motion(6)
    for weight in np.linspace(0, 1, 60):
        object.__setattr__(many, "weight", np.full(6, weight))
        cell = weight_map([many]).rows[0][1][1]
        low, high = sorted((luminance(cell.colour), luminance(cell.over)))
        assert (high + 0.05) / (low + 0.05) >= 4.5
