"""How stacks are judged and chosen; imported where torch must not be."""

from __future__ import annotations

from dataclasses import dataclass

MODES = ("auto", "all")


@dataclass(frozen=True, kw_only=True)
class QualityOptions:
    """Choice of stacks, and their masks."""

    select: str = "auto"
    """``auto``: without clearly broken stacks; ``all``: all that have a mask."""
    selection: str | None = None
    """TSV with the user's choice for some or all stacks; it comes before ``select``."""
    consensus: bool = False
    """Replace each mask by what the masks of all stacks agree on."""
    gestational_age_weeks: float | None = None
    """For the volume of the brain; None: not known."""

    def __post_init__(self) -> None:
        if self.select not in MODES:
            raise ValueError(f"select is {self.select!r}; choose one of {', '.join(MODES)}.")
