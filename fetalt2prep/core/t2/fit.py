"""What every T2 estimator returns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from torch import Tensor


class T2Reason(IntEnum):
    """Why a voxel has a T2 (``OK``) or has none."""

    OK = 0
    OUTSIDE = 1
    TOO_FEW_ECHOES = 2
    NON_POSITIVE = 3
    RISING = 4
    OUT_OF_RANGE = 5


@dataclass(frozen=True, kw_only=True)
class T2Fit:
    """T2 and S0 with their doubt, all (*grid); NaN where there is no answer."""

    t2_s: Tensor
    s0: Tensor
    t2_stderr_s: Tensor
    s0_stderr: Tensor
    rmse: Tensor
    """Root mean square of measured minus fitted echoes, in the units of the echoes."""
    ok: Tensor
    reason: Tensor
    """uint8 codes of :class:`T2Reason`."""
