"""Figures of the fit: measured against predicted, decay curves, T2 by region, beside age and literature."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from bids_app.report.decay import BAND, Decay, choose_decays
from bids_app.report.figures_fit import Agreement, figure_agreement, figure_decays
from bids_app.report.figures_regions import AGES_WEEKS, RegionT2, figure_age, figure_regions
from bids_app.report.ink import INK_OF_PAGE, as_svg
from bids_app.report.literature import LITERATURE, told

TE_MS = np.array([100.0, 200.0, 300.0])


def texts(figure: Figure) -> list[str]:
    return [t.get_text() for axes in figure.axes for t in axes.texts]


def test_agreement_counts_pixels_beside_the_line_of_equality() -> None:
    predicted = np.linspace(10, 100, 500, dtype=np.float32)
    found = Agreement(te_ms=300.0, measured=predicted * 1.1, predicted=predicted)
    assert found.correlation == pytest.approx(1.0)
    assert found.error_percent == pytest.approx(
        100 * 0.1 / 1.1 * np.sqrt(np.mean(predicted**2)) / predicted.mean(), rel=1e-4
    )
    figure = figure_agreement([found, found])
    panels = [axes for axes in figure.axes if axes.images]
    assert len(panels) == 2
    assert panels[0].get_xlabel() == "predicted (scanner units)"
    assert panels[0].get_ylabel() == "measured (scanner units)"
    assert panels[0].get_title(loc="left") == f"TE 300 ms: r = 1.000, error {found.error_percent:.1f} %"
    (line,) = panels[0].lines
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())
    assert panels[0].images[0].get_array().sum() >= 0.98 * 500


def decay(t2_ms: float = 200.0, stderr_ms: float = 10.0) -> Decay:
    return Decay(
        percentile=50.0,
        voxel=(1, 2, 3),
        te_ms=TE_MS,
        echoes=1000 * np.exp(-TE_MS / t2_ms),
        s0=1000.0,
        t2_ms=t2_ms,
        stderr_ms=stderr_ms,
    )


def test_the_band_is_that_of_a_weighted_fit() -> None:
    """Against the covariance of weighted least squares on ln S, computed in full."""
    one = decay()
    weight = one.echoes**2
    design = np.stack([np.ones(3), -TE_MS], axis=1)
    covariance = np.linalg.inv(design.T @ (weight[:, None] * design))
    covariance *= (one.stderr_ms / one.t2_ms**2) ** 2 / covariance[1, 1]
    at = np.array([0.0, 150.0, 400.0])
    line = np.stack([np.ones(3), -at], axis=1)
    half = BAND * np.sqrt(np.einsum("ni,ij,nj->n", line, covariance, line))
    low, high = one.band(at)
    np.testing.assert_allclose(np.log(high / one.fitted(at)), half)
    np.testing.assert_allclose(np.log(low / one.fitted(at)), -half)


def test_voxels_are_those_at_the_percentiles_with_a_usual_error() -> None:
    shape = (10, 10, 10)
    t2_ms = np.linspace(100, 400, 1000, dtype=np.float32).reshape(shape)
    t2_ms[0, 0, 0] = np.nan
    stderr = np.full(shape, 5.0, np.float32)
    odd = np.abs(t2_ms - np.nanpercentile(t2_ms, 40)) < 0.2
    stderr[odd] = 900.0
    s0 = np.full(shape, 1000.0, np.float32)
    echoes = np.stack([s0 * np.exp(-te / t2_ms) for te in TE_MS]).astype(np.float32)
    found = choose_decays(t2_ms, s0, stderr, echoes, TE_MS.tolist(), np.isfinite(t2_ms) | True)
    assert [d.percentile for d in found] == [10.0, 40.0, 60.0, 80.0, 95.0]
    for one in found:
        assert one.t2_ms == pytest.approx(np.nanpercentile(t2_ms, one.percentile), rel=0.02)
        assert one.stderr_ms == 5.0
        np.testing.assert_allclose(one.echoes, one.fitted(TE_MS), rtol=1e-5)
    assert choose_decays(np.full(shape, np.nan, np.float32), s0, None, echoes, TE_MS.tolist(), s0 > 0) == []


def test_decays_are_drawn_on_a_logarithmic_scale_with_dots_and_bands() -> None:
    figure = figure_decays([decay(200.0), decay(300.0, np.nan)], 600.0)
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("echo time (ms)", "signal (scanner units)")
    assert len(axes.collections) == 1  # a band where an error is known
    assert [t.get_text() for t in axes.get_legend().get_texts()] == [
        "T2 200 ± 10 ms (50th percentile)",
        "T2 300 ms (50th percentile)",
    ]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    np.testing.assert_array_equal(dots[0].get_xdata(), TE_MS)


REGIONS = [
    RegionT2(name="tissue", median_ms=250.0, q25_ms=220.0, q75_ms=300.0),
    RegionT2(name="fluid", median_ms=1500.0, q25_ms=1300.0, q75_ms=1700.0),
]


def test_the_histogram_is_in_ms_and_per_cent_and_sets_fluid_apart() -> None:
    t2_ms = np.array([100.0] * 50 + [250.0] * 30 + [900.0] * 20 + [np.nan] * 7, np.float32)
    fluid = np.where(t2_ms > 800, 0.9, 0.1).astype(np.float32)
    figure = figure_regions(t2_ms, fluid, REGIONS, 600.0)
    upper, lower = figure.axes
    assert (lower.get_xlabel(), upper.get_ylabel()) == ("T2 (ms)", "brain voxels (%)")
    assert lower.get_xlim() == (0.0, 600.0)
    tissue, wet = ([p.get_height() for p in bars] for bars in upper.containers)
    assert sum(tissue) == pytest.approx(80.0)
    assert wet[-1] == pytest.approx(20.0)
    assert sum(wet) == pytest.approx(20.0)
    assert any(t.startswith("20 % above 600 ms") for t in texts(figure))
    assert [t.get_text() for t in lower.get_yticklabels()] == ["tissue", "fluid"]
    assert [(p.get_x(), p.get_width()) for p in lower.patches] == [(220.0, 80.0)]  # fluid lies beyond the axis
    assert "1500 ms →" in texts(figure)
    assert len(figure_regions(t2_ms, None, [], 600.0).axes[0].containers) == 1


def test_age_is_drawn_beside_the_literature_and_other_fields_are_faint() -> None:
    figure = figure_age(REGIONS[:1], 24.0, 0.55)
    (axes,) = figure.axes
    assert axes.get_xlabel() == "gestational age (weeks)"
    assert axes.get_ylabel() == "T2 (ms)"
    assert axes.get_xlim() == AGES_WEEKS
    (dot,) = [line for line in axes.lines if line.get_marker() == "o"]
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (24.0, 250.0)
    lines = {
        float(line.get_ydata()[0]): line
        for line in axes.lines
        if line.get_linestyle() == "-" and len(line.get_xdata()) == 2
    }
    assert {339.0, 247.0} <= set(lines)
    assert "white matter, 0.55 T (Bulut 2025)" in texts(figure)
    assert "grey matter, 1.5 T (FaBiAN)" in texts(figure)
    dashed = figure_age(REGIONS[:1], 24.0, 3.0).axes[0]
    assert {float(line.get_ydata()[0]) for line in dashed.lines if line.get_linestyle() == "--"} == {339.0, 247.0}


def test_without_an_age_the_axis_says_so() -> None:
    figure = figure_age(REGIONS[:1], None, None)
    assert "not known" in figure.axes[0].get_xlabel()
    assert not [line for line in figure.axes[0].lines if line.get_marker() == "o"]


def test_every_value_of_the_literature_has_a_source() -> None:
    rows = told()
    assert len(rows) == len(LITERATURE)
    assert all(row["link"].startswith("https://") and row["source"] and row["said"] for row in rows)
    assert rows[0]["value"] == "339 ms"
    assert all(entry.low_ms <= entry.high_ms for entry in LITERATURE)


def test_curves_take_the_ink_of_the_page_and_are_the_same_text_again() -> None:
    first, again = (as_svg(figure_age(REGIONS[:1], 24.0, 0.55), 'T2 "beside" age') for _ in range(2))
    assert first == again
    assert first.startswith('<svg role="img" aria-label="T2 &#34;beside&#34; age"')
    assert INK_OF_PAGE in first
    assert "<text" in first  # words stay words
    assert "<metadata" not in first
