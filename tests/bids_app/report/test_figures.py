"""What is drawn: ranges, labels, units, orientation, number of panels."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from bids_app.report.figures_recon import figure_recon, shared_window
from bids_app.report.figures_t2 import (
    MapPicture,
    doubt_range,
    figure_maps,
    round_up,
    t2_range_ms,
)
from bids_app.report.ink import ABOVE
from bids_app.report.pictures import cut


def texts(figure: Figure) -> list[str]:
    found = [t.get_text() for axes in figure.axes for t in axes.texts]
    found += [axes.get_title(loc=loc) for axes in figure.axes for loc in ("left", "center", "right")]
    return [t for t in found if t]


def panel_mm_per_inch(figure: Figure) -> list[tuple[float, float]]:
    """Millimetres per inch across and up, for every panel that shows a picture."""
    width, height = figure.get_size_inches()
    scales = []
    for axes in (a for a in figure.axes if a.images):
        axes.apply_aspect()
        box = axes.get_position()
        (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
        scales.append(((x1 - x0) / (box.width * width), (y1 - y0) / (box.height * height)))
    return scales


@pytest.mark.parametrize(
    ("axis", "corner"),
    [(2, (4, 5, 0)), (1, (4, 0, 6)), (0, (0, 5, 6))],
    ids=["axial: right, front", "coronal: right, top", "sagittal: front, top"],
)
def test_cut_puts_right_and_front_on_the_left(axis: int, corner: tuple[int, int, int]) -> None:
    volume = np.zeros((5, 6, 7))
    volume[corner] = 1.0
    picture = cut(volume, (1.0, 2.0, 3.0), axis, 0)
    assert picture.pixels[0, 0] == 1.0
    assert picture.pixels.sum() == 1.0
    sizes = (5 * 1.0, 6 * 2.0, 7 * 3.0)
    across, up = (a for a in range(3) if a != axis)
    assert (picture.width_mm, picture.height_mm) == (sizes[across], sizes[up])


def test_reconstruction_has_one_window_over_all_echoes() -> None:
    mask = np.zeros((20, 22, 18), bool)
    mask[4:16, 4:18, 4:14] = True
    echoes = np.stack([np.where(mask, value, 0) for value in (800.0, 500.0, 200.0)]).astype(np.float32)
    figure = figure_recon(echoes, (300.0, 397.0, 600.0), mask, (0.8, 0.8, 0.8))
    panels = [axes for axes in figure.axes if axes.images]
    assert len(panels) == 9
    assert {axes.images[0].get_clim() for axes in panels} == {(0.0, 800.0)}
    assert shared_window(echoes, mask) == (0.0, 800.0)
    assert [t for t in texts(figure) if t.startswith("TE")] == ["TE 300 ms", "TE 397 ms", "TE 600 ms"]
    assert [t for t in texts(figure) if t in ("axial", "coronal", "sagittal")] == [
        "axial",
        "coronal",
        "sagittal",
    ]
    scales = np.array(panel_mm_per_inch(figure))
    np.testing.assert_allclose(scales, scales[0, 0], rtol=1e-6)


def test_t2_map_has_a_fixed_range_in_ms_and_shows_voxels_without_answer() -> None:
    mask = np.zeros((12, 12, 12), bool)
    mask[2:10, 2:10, 2:10] = True
    values = np.where(mask, 250.0, np.nan).astype(np.float32)
    values[6, 6, 6] = np.nan
    shown = MapPicture(values=values, label="T2 (ms)", high=600.0, colours="viridis")
    figure = figure_maps([shown], mask, (1.0, 1.0, 1.0))
    panels = [axes for axes in figure.axes if len(axes.images) == 2]
    assert len(panels) == 3
    for axes in panels:
        gaps, values_shown = axes.images
        assert values_shown.get_clim() == (0.0, 600.0)
        assert values_shown.get_cmap().name == "viridis"
        assert np.isfinite(np.ma.filled(gaps.get_array(), np.nan)).sum() == 1
    bars = [axes for axes in figure.axes if axes.get_ylabel()]
    assert [axes.get_ylabel() for axes in bars] == ["T2 (ms)"]


@pytest.mark.parametrize(("field_t", "high"), [(0.55, 600.0), (1.5, 400.0), (3.0, 400.0), (None, 600.0)])
def test_t2_range_by_field(field_t: float | None, high: float) -> None:
    assert t2_range_ms(field_t) == high


@pytest.mark.parametrize(("value", "end"), [(0.7, 1.0), (20.0, 20.0), (21.0, 50.0), (0.0, 1.0), (np.nan, 1.0)])
def test_ends_of_colour_bars_are_round(value: float, end: float) -> None:
    assert round_up(value) == pytest.approx(end)


def brain_with_fluid() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mask, T2 (ms) and its standard error (ms): tissue with an error of 10 to 40, and 40 % fluid with 90 000."""
    mask = np.zeros((12, 12, 12), bool)
    mask[1:11, 1:11, 1:11] = True
    fluid = mask & (np.indices(mask.shape)[2] >= 7)
    t2_ms = np.where(mask, np.where(fluid, 1900.0, 250.0), np.nan).astype(np.float32)
    steps = np.linspace(10, 40, 12)[:, None, None]
    return mask, t2_ms, np.where(mask, np.where(fluid, 9e4, steps), np.nan).astype(np.float32)


def test_fluid_has_no_say_in_the_range_of_the_standard_error() -> None:
    mask, t2_ms, stderr_ms = brain_with_fluid()
    assert doubt_range(stderr_ms, t2_ms, 600.0) == 50.0  # the 80th percentile of tissue lies between 20 and 50
    assert doubt_range(stderr_ms, np.where(mask, 1900, np.nan), 600.0) == 1e5  # fluid only
    assert doubt_range(np.full_like(stderr_ms, np.nan), t2_ms, 600.0) == 1.0
    stderr_ms[5, 5, 5] = np.nan
    assert doubt_range(stderr_ms, t2_ms, 600.0) == 50.0


def test_values_above_the_bar_have_a_colour_of_their_own_and_the_label_fits_the_sheet() -> None:
    mask, _, stderr_ms = brain_with_fluid()
    for high in (50.0, 1e5):
        shown = MapPicture(values=stderr_ms, label="standard error (ms)", high=high, above=ABOVE)
        figure = figure_maps([shown], mask, (1.0, 1.0, 1.0))
        image = next(axes for axes in figure.axes if len(axes.images) == 2).images[1]
        assert image.get_clim() == (0.0, high)
        assert to_hex(image.get_cmap().get_over()) == ABOVE
        assert to_hex(image.to_rgba(1.1 * high)) == ABOVE
        assert to_hex(image.to_rgba(0.99 * high)) != ABOVE
        (bar,) = [axes for axes in figure.axes if axes.get_ylabel()]
        assert bar.get_ylabel() == "standard error (ms)"
        figure.draw_without_rendering()
        box = bar.yaxis.label.get_window_extent()
        assert box.x1 <= figure.bbox.x1
        labels = [text.get_window_extent() for text in bar.get_yticklabels()]
        assert max(label.x1 for label in labels) <= box.x0
