"""A straight line through points, with the interval in which it lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_POINTS = 3
Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Line:
    """Ordinary least squares of y on x, with normal errors of one size."""

    slope: float
    slope_stderr: float
    y_at_mean: float
    mean_x: float
    sum_squares: float
    """Sum of squared distances of x from its mean."""
    residual_sd: float
    n: int

    def at(self, x: Values) -> Values:
        """Height of the line."""
        return self.y_at_mean + self.slope * (x - self.mean_x)

    def half_width(self, x: Values, level: float = 0.95, *, of_a_new_point: bool = False) -> Values:
        """Half the width of the interval of the line at x, or of a new point, by Student's t with n - 2 degrees."""
        from scipy.stats import t

        variance = 1 / self.n + (x - self.mean_x) ** 2 / self.sum_squares + float(of_a_new_point)
        return float(t.ppf(0.5 + level / 2, self.n - 2)) * self.residual_sd * np.sqrt(variance)

    def slope_interval(self, level: float = 0.95) -> tuple[float, float]:
        """Interval of the slope."""
        from scipy.stats import t

        half = float(t.ppf(0.5 + level / 2, self.n - 2)) * self.slope_stderr
        return self.slope - half, self.slope + half


def fit_line(x: Values, y: Values) -> Line | None:
    """The line through points (point,); those with NaN are left out. None with fewer than three or one x only."""
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if len(x) < MIN_POINTS or np.ptp(x) == 0:
        return None
    centred = x - x.mean()
    sum_squares = float(centred @ centred)
    slope = float(centred @ y) / sum_squares
    residual = y - y.mean() - slope * centred
    residual_sd = float(np.sqrt(residual @ residual / (len(x) - 2)))
    return Line(
        slope=slope,
        slope_stderr=residual_sd / sum_squares**0.5,
        y_at_mean=float(y.mean()),
        mean_x=float(x.mean()),
        sum_squares=sum_squares,
        residual_sd=residual_sd,
        n=len(x),
    )


def median_line(x: Values, y: Values) -> tuple[float, float] | None:
    """Slope and height at 0 of the line that a few odd points do not move (Theil 1950, Sen 1968).

    The slope is the median of those of all pairs of points. None where :func:`fit_line` gives none.
    """
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if len(x) < MIN_POINTS or np.ptp(x) == 0:
        return None
    first, second = np.triu_indices(len(x), 1)
    apart = x[first] != x[second]
    slope = float(np.median((y[second] - y[first])[apart] / (x[second] - x[first])[apart]))
    return slope, float(np.median(y - slope * x))
