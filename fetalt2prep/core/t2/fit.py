"""What every T2 estimator returns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from torch import Tensor


class T2Reason(IntEnum):
    """Why a voxel has a T2 (``OK``) or has none."""

    OK = 0
    OUTSIDE = 1
    """No signal in any echo."""
    TOO_FEW_ECHOES = 2
    """Measured at fewer than two distinct echo times."""
    NON_POSITIVE = 3
    """Fewer than two echoes with a positive signal."""
    RISING = 4
    """The signal does not fall with echo time."""
    AT_BOUND = 5
    """The best T2 lies at or beyond a bound."""
    BELOW_NOISE = 6
    """Fewer than two echoes above the noise floor."""
    NOT_CONVERGED = 7
    """The iterations ended before they had settled."""


@dataclass(frozen=True, kw_only=True)
class T2Fit:
    """T2 and S0 with their doubt, all (*grid); NaN where there is no answer."""

    t2_s: Tensor
    s0: Tensor
    t2_stderr_s: Tensor
    s0_stderr: Tensor
    covariance: Tensor
    """Covariance of S0 and T2, seconds times the units of the echoes."""
    rmse: Tensor
    """Root mean square of measured minus fitted echoes, in the units of the echoes."""
    r_squared: Tensor
    """Share of the echoes' variance that the fit explains; 1 where there are two echoes only."""
    n_echoes: Tensor
    """uint8, echoes above the noise floor."""
    converged: Tensor
    """False where iterations ended before they had settled; closed forms always converge."""
    ok: Tensor
    reason: Tensor
    """uint8 codes of :class:`T2Reason`."""
    b1: Tensor | None = None
    """Actual over nominal flip angle, from the estimators that fit it."""
