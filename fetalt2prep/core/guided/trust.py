"""How far a guide and the coarse data tell the same story: gain, and where they do not."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fetalt2prep.core.guided.terms import largest_step
from fetalt2prep.core.guided.unknowns import Maps
from fetalt2prep.core.signal import SignalModel
from fetalt2prep.core.truncation import KSpaceTruncation

MAD = 1.4826  # of a median absolute deviation, to a standard deviation
LEAST_COARSE_VOXELS = 20
SUSPECT_SIGMAS = 3.0  # of a coarse voxel's disagreement, where belief is one half
SEEN, WELL_INSIDE = 0.1, 0.9  # of a coarse voxel that is in the mask
DARK = 0.3  # of the guide's median: below it a ratio says nothing


@dataclass(frozen=True, kw_only=True)
class Trust:
    """A guide seen on the coarse grid, beside what the coarse maps would show there."""

    gain: float
    """Guide over expectation, robustly: what the guide is to be divided by."""
    spread: float
    """Of the logarithm of that ratio over coarse voxels: how well one gain explains the guide."""
    belief: Tensor
    """(*grid) 0 to 1: where the guide agrees with the coarse data once its gain is taken off."""

    @property
    def mismatch(self) -> Tensor:
        """(*grid) 0 where guide and maps agree, towards 1 where they do not."""
        return 1.0 - self.belief


def trust_guide(
    image: Tensor, model: SignalModel, maps: Maps, see: KSpaceTruncation, mask: Tensor, noise: float
) -> Trust:
    """Compare a guide with the coarse maps, on the coarse grid, where both are known.

    Parameters
    ----------
    image
        Guide, (*grid), any scale.
    model
        Sequence of the guide.
    maps
        Maps on the fine grid that look like the coarse data on the coarse one, found without guides.
    see
        From the fine grid to the coarse one.
    mask
        (*grid) bool.
    noise
        Standard deviation of the guide's noise, in its own scale.

    Raises
    ------
    ValueError
        Fewer than 20 bright coarse voxels inside the mask: nothing to compare on.
    """
    inside = mask.to(image.dtype)
    seen, expected, share = (
        see.forward(values) for values in (inside * image, inside * model(maps.pd, maps.r1, maps.r2).abs(), inside)
    )
    well_inside = share > WELL_INSIDE
    bright = well_inside & (seen > DARK * seen[well_inside].median()) if bool(well_inside.any()) else well_inside
    bright &= expected > 0
    if int(bright.sum()) < LEAST_COARSE_VOXELS:
        raise ValueError(
            f"the guide is bright in {int(bright.sum())} coarse voxels of the mask: too few to compare it with the "
            "maps. Does it show the same part of the body?"
        )
    log_ratio = (seen[bright] / expected[bright]).log()
    calm = quiet(expected, share)[bright]
    log_gain = log_ratio[calm if bool(calm.any()) else slice(None)].median()
    spread = MAD * (log_ratio - log_gain).abs().median()
    off = seen - log_gain.exp() * expected
    typical = torch.maximum(MAD * off[bright].abs().median(), torch.tensor(noise))
    doubt = (off / (SUSPECT_SIGMAS * typical)).square() * (share > SEEN)
    belief = see.zero_fill(1.0 / (1.0 + doubt.square())).clamp(0.0, 1.0) * inside
    return Trust(gain=float(log_gain.exp()), spread=float(spread), belief=belief)


def quiet(image: Tensor, share: Tensor) -> Tensor:
    """The half of the voxels that differ least from those beside them: mixed voxels have no say in the gain."""
    step = largest_step(image, share > SEEN) / image.abs().clamp(min=1e-12)
    return step <= step[share > WELL_INSIDE].median()
