"""One verdict per session, as a traffic light with words and reasons.

It is about the data and the processing, not about the brain.

The limits are choices, written down in decision 0076; they were not calibrated against readers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bids_app.report.words import Counts
from bids_app.session import MIN_SPAN_S

GOOD, CARE, BAD = "good", "care", "bad"
WORDS = {
    GOOD: ("Usable", "Nothing that this page checks speaks against the result."),
    CARE: ("Look before you use it", "There is a result; the points below can have changed it."),
    BAD: ("Do not use", "What was asked for is missing, or rests on too few data."),
}
MIN_SLICES_BAD, MIN_SLICES_CARE = 0.5, 0.75
"""Share of the slices with brain that were used: below the first bad, below the second care."""
MIN_NCC_BAD, MIN_NCC_CARE = 0.7, 0.9
"""Median correlation of measured and predicted slices in use."""
MAX_MISSING_BAD, MAX_MISSING_CARE = 0.25, 0.05
"""Share of the brain without T2."""
TISSUE_MS = (120.0, 450.0)
"""Median T2 of tissue outside which it is worth a look."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the verdict is made from; NaN where something is not known."""

    counts: Counts
    reconstructed: bool
    t2_asked: bool
    has_t2: bool
    ncc: float = math.nan
    t2_missing: float = math.nan
    tissue_t2_ms: float = math.nan
    n_guessed_masks: int = 0
    audit_errors: tuple[str, ...] = ()
    audit_warnings: tuple[str, ...] = ()
    under_determined: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    """Sentences of the bias budget and of the run that a reader has to know."""
    errors: tuple[str, ...] = ()
    """What failed."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Level (``good``, ``care`` or ``bad``), its words, and the reasons: those that decide it first."""

    level: str
    reasons: tuple[str, ...]

    @property
    def word(self) -> str:
        """What the light says."""
        return WORDS[self.level][0]

    @property
    def meaning(self) -> str:
        """What that means, in a sentence."""
        return WORDS[self.level][1]


def judge(evidence: Evidence) -> Verdict:
    """The verdict; with no reason against the result, what speaks for it is said."""
    bad = [*evidence.errors, *_missing(evidence)]
    care: list[str] = []
    counts = evidence.counts
    share = counts.n_used_slices / counts.n_slices if counts.n_slices else math.nan
    said = f"{counts.n_used_slices} of {counts.n_slices} slices that show brain were used."
    _sort(share, MIN_SLICES_BAD, MIN_SLICES_CARE, said, bad, care)
    said = f"Measured and predicted slices correlate with {evidence.ncc:.2f} (median)."
    _sort(evidence.ncc, MIN_NCC_BAD, MIN_NCC_CARE, said, bad, care)
    said = f"{100 * evidence.t2_missing:.1f} % of the brain voxels have no T2."
    _sort(-evidence.t2_missing, -MAX_MISSING_BAD, -MAX_MISSING_CARE, said, bad, care)
    if math.isfinite(evidence.tissue_t2_ms) and not TISSUE_MS[0] <= evidence.tissue_t2_ms <= TISSUE_MS[1]:
        care.append(
            f"T2 of tissue has the median {evidence.tissue_t2_ms:.0f} ms, outside {TISSUE_MS[0]:.0f} to"
            f" {TISSUE_MS[1]:.0f} ms:"
            " check the echo times."
        )
    if evidence.n_guessed_masks:
        care.append(
            f"{evidence.n_guessed_masks} of the brain masks were not given but found: look at their outlines under"
            f" Inputs."
        )
    if 0 < counts.n_used_stacks < counts.n_stacks:
        care.append(f"{counts.n_used_stacks} of {counts.n_stacks} stacks were used; Inputs says why.")
    span_ms = counts.te_ms[-1] - counts.te_ms[0] if counts.te_ms else 0.0
    if evidence.has_t2 and 0 < span_ms < 1000 * MIN_SPAN_S:
        bad.append(f"The echo times span {span_ms:g} ms: T2 cannot be told from them.")
    if evidence.has_t2 and len(counts.te_ms) == 2:
        care.append("Two echo times: the decay curve passes through both, so the residual cannot show a misfit.")
    care += [*evidence.audit_errors, *evidence.audit_warnings, *evidence.under_determined, *evidence.cautions]
    level = BAD if bad else CARE if care else GOOD
    return Verdict(level=level, reasons=tuple(dict.fromkeys([*bad, *care] or _in_favour(evidence))))


def _sort(value: float, bad_below: float, care_below: float, said: str, bad: list[str], care: list[str]) -> None:
    if value < bad_below:
        bad.append(said)
    elif value < care_below:
        care.append(said)


def _missing(evidence: Evidence) -> Sequence[str]:
    if not evidence.reconstructed:
        return ["No volume was reconstructed."] if evidence.t2_asked else []
    if evidence.t2_asked and not evidence.has_t2:
        if len(evidence.counts.te_ms) == 1:
            return [f"No T2 map: every stack in use has the echo time {evidence.counts.te_ms[0]:g} ms."]
        return ["No T2 map was written."]
    return []


def _in_favour(evidence: Evidence) -> list[str]:
    counts = evidence.counts
    said = []
    if counts.n_stacks:
        said.append(
            f"All {counts.n_stacks} stacks and {counts.n_used_slices} of {counts.n_slices} slices with brain were used."
        )
    if math.isfinite(evidence.ncc):
        said.append(f"Measured and predicted slices correlate with {evidence.ncc:.3f} (median).")
    if math.isfinite(evidence.t2_missing):
        said.append(f"{100 * (1 - evidence.t2_missing):.1f} % of the brain voxels have a T2.")
    return said or ["What was asked for is there."]
