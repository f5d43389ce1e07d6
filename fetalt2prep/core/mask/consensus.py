"""One brain from the masks of all stacks, and that brain in each of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fetalt2prep.core.quality.align import Alignment, into_stack, out_of_stack
from fetalt2prep.core.quality.rough import Rough

LEAST_VOTES = 1.5
"""Of full trust, from other stacks: below it a pixel keeps what its own mask says."""
VOTE = 0.5


def votes_in(
    which: int, roughs: Sequence[Rough], at: Sequence[Alignment], trust: Sequence[float], points_mm: Tensor
) -> tuple[Tensor, Tensor]:
    """What the masks of the other stacks say at world points (*, 3) of one: mean, 0 to 1, and sum of trust, (*).

    A stack has a vote where it has pixels; ``trust``, (stack,), 0 for one that is not believed.
    """
    common = out_of_stack(roughs[which], at[which], points_mm)
    total, count = torch.zeros(common.shape[:-1]), torch.zeros(common.shape[:-1])
    for n, (rough, place) in enumerate(zip(roughs, at, strict=True)):
        if n == which or trust[n] <= 0:
            continue
        inside, seen = rough.at(rough.mask, into_stack(rough, place, common))
        total, count = total + trust[n] * inside, count + trust[n] * seen.float()
    return total / count.clamp(min=1e-6), count


def consensus_mask(
    which: int,
    mask: NDArray[np.bool_],
    affine: NDArray[np.float64],
    roughs: Sequence[Rough],
    at: Sequence[Alignment],
    trust: Sequence[float],
) -> NDArray[np.bool_]:
    """Majority of a stack's own mask (x, y, slice) and those of the others, carried onto its grid; affine (4, 4)."""
    points = torch.as_tensor(grid_points_mm(mask.shape, affine), dtype=torch.float32)
    mean, count = votes_in(which, roughs, at, trust, points)
    own = torch.as_tensor(mask, dtype=torch.float32)
    shared = (mean * count + trust[which] * own) / (count + trust[which]).clamp(min=1e-6)
    return np.asarray(torch.where(count < LEAST_VOTES, own, shared).numpy() >= VOTE)


def grid_points_mm(shape: tuple[int, ...], affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """World position of every voxel, (x, y, slice, 3)."""
    index = np.moveaxis(np.indices(shape), 0, -1)
    return np.asarray(index @ affine[:3, :3].T + affine[:3, 3])
