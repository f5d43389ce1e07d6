"""What does not move with the head: amniotic fluid, the wall of the uterus, the mother."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.sim.phantom import Label
from fetalt2prep.sim.tissue import Tissue

Doubles = NDArray[np.float64]
SURROUNDINGS = (Label.AMNIOTIC_FLUID, Label.UTERUS, Label.MATERNAL_TISSUE)
EDGE_MM = 0.5  # width over which one layer gives way to the next


@dataclass(frozen=True)
class Surroundings:
    """An ellipsoid of fluid inside a muscular wall inside the mother, in scanner space."""

    centre_mm: Doubles  # (3,)
    semi_axes_mm: Doubles  # (3,) inner surface of the uterus
    wall_mm: float

    def layers(self, points_mm: NDArray[np.floating]) -> tuple[Doubles, Doubles]:
        """Share of what lies at or beyond the wall, and of the mother, at world points (..., 3) -> (...) each."""
        offset = (points_mm - self.centre_mm) / self.semi_axes_mm
        depth_mm = (np.sqrt((offset**2).sum(-1)) - 1.0) * self.semi_axes_mm.mean()
        to_wall = np.clip(depth_mm / EDGE_MM + 0.5, 0.0, 1.0)
        to_mother = np.clip((depth_mm - self.wall_mm) / EDGE_MM + 0.5, 0.0, 1.0)
        return to_wall, to_mother

    def signal(self, points_mm: NDArray[np.floating], level: Sequence[float]) -> NDArray[np.float32]:
        """Signal at world points (..., 3); ``level``: of the fluid, the wall and the mother."""
        to_wall, to_mother = self.layers(points_mm)
        return np.asarray(level[0] + to_wall * (level[1] - level[0]) + to_mother * (level[2] - level[1]), np.float32)


def spin_echo_levels(tissues: dict[Label, Tissue], te_s: float) -> list[float]:
    """Spin-echo signal of the fluid, the wall and the mother, in units of their M0."""
    return [float(tissues[label].m0 * np.exp(-te_s / tissues[label].t2_s)) for label in SURROUNDINGS]


def draw_surroundings(rng: np.random.Generator, head_centre_mm: Doubles, head_semi_mm: Doubles) -> Surroundings:
    """Draw a uterus that holds the head with 6 to 14 mm of fluid around it, the head off its middle."""
    semi = np.asarray(head_semi_mm) + rng.uniform(6.0, 14.0, 3)
    centre = np.asarray(head_centre_mm) + rng.uniform(-4.0, 4.0, 3)
    return Surroundings(centre, semi, float(rng.uniform(6.0, 10.0)))
