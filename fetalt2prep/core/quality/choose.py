"""Which stacks enter the reconstruction, and why the others do not."""

from __future__ import annotations

from collections.abc import Sequence

from fetalt2prep.core.quality.assess import StackReport
from fetalt2prep.core.quality.options import MODES


def choose(report: StackReport, mode: str, header_reasons: Sequence[str] = ()) -> tuple[bool, str]:
    """Whether a stack is used, and what there is to say of it.

    ``auto`` sets aside what is clearly broken: a failed mask, a failed picture, or ``header_reasons`` to set it aside.
    ``all`` takes every stack with a pixel in its mask.
    """
    if mode not in MODES:
        raise ValueError(f"the choice of stacks is {mode!r}; choose one of {', '.join(MODES)}.")
    said = "; ".join((*header_reasons, *report.mask.reasons, *report.picture.reasons))
    if report.facts.volume_ml == 0:
        return False, said
    return mode == "all" or not (header_reasons or report.failed), said
