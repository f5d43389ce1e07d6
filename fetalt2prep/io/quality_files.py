"""The tables of the quality of stacks and of their slices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fetalt2prep.core.quality.assess import StackReport

DESCRIPTIONS = {
    "stack": ("Stack", None),
    "use": ("Whether the stack enters the reconstruction; edit it and give the table back with --select", None),
    "reason": ("Why it is set aside, or what to look at", None),
    "mask_verdict": ("ok, suspect or failed", None),
    "mask_reasons": ("Why", None),
    "picture_verdict": ("ok, suspect or failed: agreement of the picture with the other stacks, dropped signal", None),
    "picture_reasons": ("Why", None),
    "mask_volume_ml": ("Volume of the brain mask", "mL"),
    "mask_n_pieces": ("Connected pieces of the mask", None),
    "mask_stray_share": ("Share of its pixels outside the largest piece", None),
    "mask_hole_share": ("Pixels enclosed in a slice of the mask and not part of it, over its pixels", None),
    "mask_gap_share": ("Share of slices without a pixel between its first and its last", None),
    "mask_least_overlap": ("Least shared area of neighbouring slices, over the smaller one", None),
    "mask_dice": ("Dice with the brain that the other stacks' masks show, within this stack, after alignment", None),
    "mask_volume_ratio": ("Its volume over that of the brain the others show there", None),
    "coverage": ("Share of the brain that lies within the stack's field of view", None),
    "snr": ("Mean signal of the mask over the standard deviation of the noise", None),
    "sharpness_per_mm": ("RMS in-plane gradient of the mask over its mean signal, less the noise's part", "1/mm"),
    "motion_index_mm": ("Mean distance of the middles of neighbouring slices' masks, central third", "mm"),
    "rank_share": ("Share of singular vectors that leave 10 % of the energy of the slices about their mean", None),
    "n_dropped_slices": ("Slices with dropped signal", None),
    "dropped_share": ("Of the slices that could be judged", None),
    "correlation": ("Correlation of its picture with the mean of the others, after alignment", None),
    "turn_deg": ("Turn of that alignment", "degree"),
    "shift_mm": ("Shift of that alignment", "mm"),
    "flip_axes": ("Voxel axes whose reversal makes it agree best; n/a: none", None),
    "flip_gain": ("Correlation that the reversal brings", None),
}
SLICE_COLUMNS = ("stack", "slice", "lost_share", "dropped")


def quality_row(name: str, report: StackReport, use: bool, reason: str) -> dict[str, Any]:
    """A row of the quality table; keys as in ``DESCRIPTIONS``."""
    facts, at = report.facts, report.alignment
    flipped = at is not None and at.flip_gain > 0
    return {
        "stack": name,
        "use": use,
        "reason": reason,
        "mask_verdict": report.mask.verdict,
        "mask_reasons": "; ".join(report.mask.reasons),
        "picture_verdict": report.picture.verdict,
        "picture_reasons": "; ".join(report.picture.reasons),
        "mask_volume_ml": facts.volume_ml,
        "mask_n_pieces": facts.n_components,
        "mask_stray_share": facts.stray_share,
        "mask_hole_share": facts.hole_share,
        "mask_gap_share": facts.gap_share,
        "mask_least_overlap": facts.least_overlap,
        "mask_dice": report.mask_dice,
        "mask_volume_ratio": report.mask_volume_ratio,
        "coverage": report.coverage,
        "snr": report.snr,
        "sharpness_per_mm": report.sharpness_per_mm,
        "motion_index_mm": report.motion_index_mm,
        "rank_share": report.rank_measure,
        "n_dropped_slices": int(report.dropped.sum()),
        "dropped_share": report.dropped_share,
        "correlation": math.nan if at is None else at.correlation,
        "turn_deg": math.nan if at is None else at.turn_deg,
        "shift_mm": math.nan if at is None else float(at.shift_mm.norm()),
        "flip_axes": "".join(a for a, s in zip("ijk", at.flip, strict=True) if s < 0) if at and flipped else None,
        "flip_gain": math.nan if at is None else at.flip_gain,
    }


def slice_columns(names: Sequence[str], reports: Sequence[StackReport]) -> dict[str, list[Any]]:
    """Columns of the table of slices: what each lost against the other stacks."""
    rows = [
        (name, k, float(lost), bool(dropped))
        for name, report in zip(names, reports, strict=True)
        for k, (lost, dropped) in enumerate(zip(report.lost_share, report.dropped, strict=True))
    ]
    return {column: [row[n] for row in rows] for n, column in enumerate(SLICE_COLUMNS)}
