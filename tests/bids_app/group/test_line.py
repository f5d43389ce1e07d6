"""The line and its interval against a textbook's formulas and against coverage; the robust score by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import linregress

from bids_app.group.line import fit_line, median_line
from bids_app.group.outliers import MIN_SESSIONS, modified_z


def test_it_agrees_with_scipy() -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(20, 36, 12)
    y = 300 - 4 * x + rng.normal(0, 8, 12)
    line, other = fit_line(x, y), linregress(x, y)
    assert line is not None
    assert (line.slope, line.slope_stderr) == pytest.approx((other.slope, other.stderr))
    assert line.at(np.array([0.0]))[0] == pytest.approx(other.intercept)


def test_its_intervals_hold_what_they_say() -> None:
    """Of 2000 draws the true height lies in the 95 % interval in 95 %, and so does a new point in its own."""
    rng = np.random.default_rng(2)
    x, at = np.linspace(20, 36, 9), np.array([34.0])
    held = {"line": 0, "point": 0, "slope": 0}
    for _ in range(2000):
        line = fit_line(x, 2 * x + rng.normal(0, 5, len(x)))
        assert line is not None
        held["line"] += int((abs(line.at(at) - 2 * at) < line.half_width(at)).item())
        point = 2 * at + rng.normal(0, 5)
        held["point"] += int((abs(line.at(at) - point) < line.half_width(at, of_a_new_point=True)).item())
        held["slope"] += int(line.slope_interval()[0] < 2 < line.slope_interval()[1])
    for n in held.values():
        assert n / 2000 == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(
    ("x", "y"), [([1, 2], [1, 2]), ([1, 1, 1], [1, 2, 3]), ([1, 2, np.nan], [1, 2, 3]), ([1, 2, 3], [1, np.nan, 3])]
)
def test_no_line_without_three_points_at_different_places(x: list[float], y: list[float]) -> None:
    assert fit_line(np.array(x, dtype=float), np.array(y, dtype=float)) is None


def test_the_line_of_medians_is_not_moved_by_an_odd_point() -> None:
    x = np.arange(9.0)
    y = 3 - 2 * x
    y[4] = 1000
    assert median_line(x, y) == pytest.approx((-2, 3))
    assert median_line(x[:2], y[:2]) is None


def test_the_robust_score() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 103.0, np.nan])
    z = modified_z(values)
    assert z[5] == pytest.approx((103 - 3.5) / (1.4826 * 1.5))
    assert np.isnan(z[6])
    assert np.isnan(modified_z(values[: MIN_SESSIONS - 1])).all()
    assert np.isnan(modified_z(np.ones(9))).all()
