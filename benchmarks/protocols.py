"""Tables 2 and 3 of arXiv:2508.10680 as experiments: who is scanned, how, and what is compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fetalt2prep.sim.options import CaseOptions
from fetalt2prep.sim.preset import read_preset

MODELS = ("sc", "mc", "mcreg", "decay")  # the paper's three, and the default of this package
FETUSES_WEEKS = (25.0, 27.0, 30.0, 33.0, 35.0)
N_ADULTS = 10
FEW_FETUSES, FEW_ADULTS = (25.0, 27.0, 30.0), 1  # of the small version
SMALL_SCALE = {2: 3.0, 3: 4.0}  # of the small version: factor on pixels and voxels


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One simulated subject of one table."""

    table: int
    name: str
    seed: int
    options: CaseOptions
    resolution_mm: float  # of the reconstruction and of the truth
    stacks: tuple[int, ...]  # stacks per echo time that are compared, from many to few

    def coarser(self, scale: float) -> Subject:
        """The same subject in pixels and voxels ``scale`` times as large; slices stay as thick as they are.

        The truth's voxel grows to twice its size at most, so that the head that is scanned keeps its folds.
        """
        options = replace(
            self.options,
            in_plane_mm=scale * self.options.in_plane_mm,
            truth_mm=min(scale, 2.0) * self.options.truth_mm,
        )
        return replace(self, options=options, resolution_mm=scale * self.resolution_mm)


def fetuses(weeks: Sequence[float] = FETUSES_WEEKS) -> list[Subject]:
    """Table 2: fetuses at 1.5 T, TE 220/500/690 ms, 0.8 x 0.8 x 4.5 mm, motion and voids, three stacks per TE."""
    options = read_preset("fetal-1.5T-30w")
    return [
        Subject(
            table=2,
            name=f"{age:g} weeks",
            seed=round(age),
            options=replace(options, gestational_age_weeks=age),
            resolution_mm=0.8,
            stacks=(3,),
        )
        for age in weeks
    ]


def adults(n: int = N_ADULTS) -> list[Subject]:
    """Table 3: adults at 0.55 T, TE 114/202/299 ms, 1.18 x 1.18 x 4.5 mm, 1 mm output, 3, 2 and 1 stacks per TE.

    All have the same anatomy; texture, position, motion, voids, gains, coil and noise are drawn anew for each.
    """
    options = read_preset("adult-0.55T")
    return [
        Subject(table=3, name=f"adult {k}", seed=100 + k, options=options, resolution_mm=1.0, stacks=(3, 2, 1))
        for k in range(1, n + 1)
    ]
