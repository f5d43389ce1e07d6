"""Can this mask be a fetal brain? What it measures, and a verdict with its reasons in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

VERDICTS = ("ok", "suspect", "failed")
REFERENCE_ML, REFERENCE_MM = 85.0, 70.0
"""Brain with its fluid and length of the cerebrum at 24 weeks, of the CC0 atlas of Fidon 2021."""
BELOW, ABOVE = 0.45, 2.2
"""Of the expected volume: with or without fluid, small and large brains, wide ventricles (the atlas at 29 weeks, with
ventriculomegaly, is 1.4 times it)."""
ANY_AGE_ML = (5.0, 700.0)
STRAY_SHARE, HOLE_SHARE, GAP_SHARE = 0.05, 0.05, 0.2
LEAST_OVERLAP = 0.4
"""Of two neighbouring cross-sections, of the smaller one: a jump of the head by a third of its width."""
LEAST_DICE = 0.75
"""With the brain that the others see. A head that turns by 45 deg keeps 0.85; half a mask has at most 0.67."""
FAILED_DICE = 0.35
"""Less than a quarter shared by two masks of one size: not the same thing."""
LEAST_CONFIDENCE = 0.3


@dataclass(frozen=True, kw_only=True)
class MaskFacts:
    """What a mask measures by itself."""

    volume_ml: float
    n_components: int
    stray_share: float
    """Share of its pixels outside the largest piece."""
    hole_share: float
    """Share of pixels that are enclosed in their slice and not part of it."""
    gap_share: float
    """Share of slices without a pixel between its first and its last."""
    least_overlap: float
    """Least shared area of neighbouring cross-sections, of the smaller one; small end caps are left out. NaN: one
    slice."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """``ok``, ``suspect`` or ``failed``, and why."""

    verdict: str = "ok"
    reasons: tuple[str, ...] = ()

    def with_reason(self, verdict: str, reason: str) -> Verdict:
        """The worse of both verdicts, and one reason more."""
        worse = max(self.verdict, verdict, key=VERDICTS.index)
        return Verdict(verdict=worse, reasons=(*self.reasons, reason))


def mask_facts(mask: NDArray[np.bool_], affine: NDArray[np.float64]) -> MaskFacts:
    """Measure a mask (x, y, slice); affine (4, 4), voxel index to world mm."""
    n_pixels = int(mask.sum())
    if n_pixels == 0:
        return MaskFacts(
            volume_ml=0.0, n_components=0, stray_share=0.0, hole_share=0.0, gap_share=0.0, least_overlap=math.nan
        )
    labels, n_components = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    largest = int(np.bincount(labels.ravel())[1:].max())
    in_plane = ndimage.generate_binary_structure(3, 1)
    in_plane[:, :, [0, 2]] = False
    filled = ndimage.binary_fill_holes(mask, structure=in_plane)
    slices = np.flatnonzero(mask.any((0, 1)))
    return MaskFacts(
        volume_ml=n_pixels * float(abs(np.linalg.det(affine[:3, :3]))) / 1000,
        n_components=int(n_components),
        stray_share=1 - largest / n_pixels,
        hole_share=float(filled.sum() / n_pixels - 1),
        gap_share=1 - len(slices) / float(slices[-1] - slices[0] + 1),
        least_overlap=_least_overlap(mask),
    )


def expected_volume_ml(weeks: float | None) -> tuple[float, float]:
    """Range of the volume of a brain mask at a gestational age, mL; None: of any fetus.

    The volume of a public atlas at 24 weeks, grown with the cube of the cerebrum's length (the parabola through the
    extents of the same atlas at 24 and 29 weeks, as the simulator has it), with wide margins. It grows 2.9-fold from
    25.4 to 36.6 weeks; an increase by 230 % was measured (Clouchoux 2012, doi:10.1016/j.ajog.2011.10.002).
    """
    if weeks is None:
        return ANY_AGE_ML
    since = min(max(weeks, 18.0), 40.0) - 24.0
    length_mm = 70.0 + 5.0 * since - 0.15 * since**2
    middle = REFERENCE_ML * (length_mm / REFERENCE_MM) ** 3
    return BELOW * middle, ABOVE * middle


def judge_facts(facts: MaskFacts, *, weeks: float | None = None, confidence: float | None = None) -> Verdict:
    """What a mask shows by itself; ``failed`` only when it is empty.

    ``weeks``: gestational age, None when it is not known. ``confidence``: of an estimated mask, None for a given one.
    """
    found = Verdict()
    if facts.volume_ml == 0:
        return found.with_reason("failed", "the brain mask is empty")
    low, high = expected_volume_ml(weeks)
    if not low <= facts.volume_ml <= high:
        age = "at any age" if weeks is None else f"at {weeks:g} weeks"
        found = found.with_reason(
            "suspect", f"the mask has {facts.volume_ml:.0f} mL; {low:.0f} to {high:.0f} mL are expected {age}"
        )
    for value, limit, text in (
        (facts.stray_share, STRAY_SHARE, "of the mask lies in separate pieces"),
        (facts.hole_share, HOLE_SHARE, "of the mask is missing as holes"),
        (facts.gap_share, GAP_SHARE, "of its slices are empty"),
    ):
        if value > limit:
            found = found.with_reason("suspect", f"{100 * value:.0f} % {text} (limit {100 * limit:.0f} %)")
    if facts.least_overlap < LEAST_OVERLAP:
        found = found.with_reason(
            "suspect", f"neighbouring slices of the mask share {100 * facts.least_overlap:.0f} % of the smaller one"
        )
    if confidence is not None and confidence < LEAST_CONFIDENCE:
        found = found.with_reason("suspect", f"the estimated mask has a confidence of {confidence:.2f}")
    return found


def judge_agreement(found: Verdict, dice: float, volume_ratio: float, n_others: int) -> Verdict:
    """Add what the other stacks say; failing takes two others that show the brain elsewhere.

    ``dice`` with the brain the others see, within this stack, and ``volume_ratio``, the mask over that brain.
    """
    if not math.isfinite(dice) or dice >= LEAST_DICE:
        return found
    words = f"the mask agrees with those of the other stacks by a Dice of {dice:.2f} (limit {LEAST_DICE:.2f})"
    if volume_ratio < 0.75 or volume_ratio > 1.5:
        words += f" and has {volume_ratio:.2f} times their volume there"
    return found.with_reason("failed" if dice < FAILED_DICE and n_others > 1 else "suspect", words)


def _least_overlap(mask: NDArray[np.bool_]) -> float:
    area = mask.sum((0, 1))
    large = area > 0.2 * area.max()
    pairs = large[1:] & large[:-1]
    if not pairs.any():
        return math.nan
    shared = (mask[:, :, 1:] & mask[:, :, :-1]).sum((0, 1))
    return float((shared[pairs] / np.minimum(area[1:], area[:-1])[pairs]).min())
