"""Coarse maps on the fine grid: where a refinement starts, and what is left where there is none."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from fetalt2prep.core.guided.unknowns import Maps
from fetalt2prep.core.truncation import KSpaceTruncation

T2_RANGE_S, T1_RANGE_S = (0.005, 5.0), (0.05, 8.0)
PD_RANGE = (0.02, 3.0)  # of the typical value


def first_maps(
    pd: Tensor, t1_s: Tensor | None, t2_s: Tensor, see: KSpaceTruncation, mask: Tensor
) -> tuple[Maps, float]:
    """Zero-filled maps within the range of the coarse voxels around, positive; and the typical proton density.

    Zero filling alone rings beside fluid, below zero even. Maps are (x, y, z), coarse; ``t1_s`` None: R1 is zero.
    Typical: the median in the mask.
    """
    filled = see.zero_fill(pd)
    typical = float(filled[mask].median())
    least, most = (share * typical for share in PD_RANGE)
    fine_pd = _within(filled, pd, see).clamp(least, most)
    r2 = 1.0 / _within(see.zero_fill(t2_s), t2_s, see).clamp(*T2_RANGE_S)
    if t1_s is None:
        return Maps(fine_pd, torch.zeros_like(r2), r2), typical
    return Maps(fine_pd, 1.0 / _within(see.zero_fill(t1_s), t1_s, see).clamp(*T1_RANGE_S), r2), typical


def plain_maps(pd: Tensor, t1_s: Tensor, t2_s: Tensor, see: KSpaceTruncation) -> Maps:
    """Coarse maps by linear interpolation: no detail, but no rings either.

    Maps are (x, y, z), coarse, zero where there is no value; beside those they go on as their neighbours.
    """
    known = ((pd != 0) & (t1_s != 0) & (t2_s != 0)).to(pd.dtype)
    share = _smoothed(known).clamp(min=1e-6)

    def fine(values: Tensor) -> Tensor:
        beyond = torch.where(known > 0, values, _smoothed(known * values) / share)
        return functional.interpolate(beyond[None, None], see.shape, mode="trilinear")[0, 0]

    least = PD_RANGE[0] * float(pd.max())
    return Maps(fine(pd).clamp(min=least), 1.0 / fine(t1_s).clamp(*T1_RANGE_S), 1.0 / fine(t2_s).clamp(*T2_RANGE_S))


def _smoothed(coarse: Tensor) -> Tensor:
    return functional.avg_pool3d(coarse[None, None], 3, 1, 1)[0, 0]


def _within(fine: Tensor, coarse: Tensor, see: KSpaceTruncation) -> Tensor:
    """Fine values, none beyond those of the 3 x 3 x 3 coarse voxels around."""
    low, high = (
        functional.interpolate(sign * functional.max_pool3d(sign * coarse[None, None], 3, 1, 1), see.shape)[0, 0]
        for sign in (-1.0, 1.0)
    )
    return torch.minimum(torch.maximum(fine, low), high)
