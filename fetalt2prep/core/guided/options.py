"""Options of guided super-resolution."""

from __future__ import annotations

import math
from dataclasses import dataclass

METHODS = ("fit", "network")
"""The fit of one subject, or a network that was trained."""
USES = ("auto", "signal", "edges")


@dataclass(frozen=True, kw_only=True)
class GuidedOptions:
    """How maps are refined.

    use
        What a guide is good for. ``signal``: its values are data; ``edges``: only where they change counts, whatever
        their scale; ``auto``: signal when its scale can be known, see :func:`fetalt2prep.core.guided.use.use_of`.
    edges
        Weight of the edge prior, per voxel and unit of a logarithm.
    n_steps
        Steps of Adam.
    """

    use: str = "auto"
    edges: float = 3.0
    n_steps: int = 300

    def __post_init__(self) -> None:
        if self.use not in USES:
            raise ValueError(f"guides can be used as {', '.join(USES)}, not as {self.use!r}.")
        if not 0 <= self.edges < math.inf:
            raise ValueError(f"the weight of the edge prior is {self.edges}; give a number from 0 up.")
        if self.n_steps < 1:
            raise ValueError(f"{self.n_steps} steps asked for; at least one is needed.")
