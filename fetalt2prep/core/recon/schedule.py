"""Coarse to fine: which lattice, which groups of slices move together, how many steps."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Level:
    """One lattice spacing of the reconstruction."""

    name: str
    spacing_mm: float
    move: str
    """``stack``: all slices of a stack move together; ``package``: those of one sweep (:mod:`.sweeps`); ``slice``: each
    by itself; ``none``: their poses are known."""
    rounds: int
    """Rounds of field steps followed by a registration."""
    steps: int
    """Steps of the field in a round."""
    last_steps: int
    """Steps of the field at the final poses."""


def levels(resolution_mm: float, *, one_side: bool = False) -> tuple[Level, ...]:
    """Stacks and their packages on a lattice near 3.2 mm, slices near 1.6 mm, then field and slices at the resolution.

    The coarse spacings stay near the same millimetres whatever the resolution, because the capture range is a matter
    of anatomy; they are the resolution times a power of two, so that each lattice refines the one before.
    one_side: parallel slices hold each other so weakly through the plane that after half the rounds they wander.
    """
    rounds = 12 if one_side else 24
    middle = resolution_mm * 2 ** max(0, doublings(1.6 / resolution_mm))
    return (
        Level(name="align stacks", spacing_mm=2 * middle, move="stack", rounds=10, steps=8, last_steps=0),
        Level(name="align packages", spacing_mm=2 * middle, move="package", rounds=6, steps=8, last_steps=0),
        Level(name="align slices", spacing_mm=middle, move="slice", rounds=rounds, steps=8, last_steps=0),
        Level(name="refine", spacing_mm=resolution_mm, move="slice", rounds=6, steps=12, last_steps=50),
    )


def doublings(ratio: float) -> int:
    """Nearest whole number of doublings in a ratio of 1 or more; 0 below."""
    return max(0, round(math.log2(ratio)))
