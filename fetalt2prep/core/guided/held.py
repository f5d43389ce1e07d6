"""Is a network's answer still that of the coarse scan? The one witness that the guides have not told what to say.

A network makes maps that explain its guides, so comparing these guides with its answer finds them good even where they
are out of place. The coarse maps tell: seen coarsely, the answer has to be what the scan measured.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fetalt2prep.core.guided.trust import MAD, SEEN, WELL_INSIDE
from fetalt2prep.core.guided.unknowns import Maps
from fetalt2prep.core.truncation import KSpaceTruncation

T2_SHARE = 0.5  # of a logarithm of T2 beside one of T1: between tissue and fluid it spans twice as much
SUSPECT = 0.2  # distance of a coarse voxel's times from those measured, where belief is one half
OTHER_SCAN = 0.25  # typical distance above which an answer is not one of this scan
LEAST_S = 1e-3  # of a time whose logarithm is taken


@dataclass(frozen=True, kw_only=True)
class Held:
    """An answer seen coarsely, beside the coarse maps."""

    distance: float
    """Of log T1 and half of that of log T2, each robustly over coarse voxels inside the mask."""
    belief: Tensor
    """(*grid) 0 to 1: where the answer is what the coarse scan saw."""

    @property
    def refused(self) -> bool:
        """The answer is not one of this scan."""
        return self.distance > OTHER_SCAN


def held_to(t1_s: Tensor, t2_s: Tensor, maps: Maps, see: KSpaceTruncation, mask: Tensor) -> Held:
    """Compare an answer with the coarse maps it should look like.

    Parameters
    ----------
    t1_s, t2_s
        Coarse maps, (*coarse).
    maps
        The answer, (*grid).
    see
        From the fine grid to the coarse one.
    mask
        (*grid) bool.
    """
    inside = mask.to(t2_s.dtype)
    share = see.forward(inside)
    off_t1, off_t2 = (
        see.forward(inside / rate).clamp(min=LEAST_S).log() - measured.clamp(min=LEAST_S).log()
        for rate, measured in ((maps.r1, t1_s), (maps.r2, t2_s))
    )
    there = share > WELL_INSIDE if bool((share > WELL_INSIDE).any()) else share > SEEN
    distance = sum(w * MAD * float(off[there].abs().median()) for w, off in ((1.0, off_t1), (T2_SHARE, off_t2)))
    doubt = (off_t1.square() + (T2_SHARE * off_t2).square()) / SUSPECT**2 * (share > SEEN)
    belief = see.zero_fill(1.0 / (1.0 + doubt.square())).clamp(0.0, 1.0) * inside
    return Held(distance=distance, belief=belief)
