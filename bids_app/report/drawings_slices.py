"""Figures of what was measured: contact sheets, motion, weights, residuals, measured beside predicted slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bids_app.report.figures_fit import Agreement, figure_agreement
from bids_app.report.figures_heat import HeatMap, residual_map, weight_map
from bids_app.report.figures_motion import StackMotion, figure_motion
from bids_app.report.figures_stacks import DIFFERENCE_SHARE, StackPicture, contact_sheet, sprite, sprite_palette
from bids_app.report.shown import FigureFolder, Shown, entity_of
from bids_app.report.words import plural

CONVENTION = (
    "Radiological convention: the right of the scanner frame (R) is on the left of the picture. The letters"
    " and the names of the planes belong to the scanner, not to the fetus, whose head may lie at any angle."
)


@dataclass(frozen=True, kw_only=True)
class Inspector:
    """Heat maps whose cells show a slice: measured, predicted, and their difference."""

    maps: tuple[HeatMap, ...]
    sprites: tuple[Shown | None, ...]
    """One per row of the maps."""
    sizes: tuple[tuple[int, int], ...]
    """Width and height of a slice in them, pixels."""
    percent: float
    """End of the colours of the difference, per cent of white."""


def sheets(folder: FigureFolder, stacks: Sequence[StackPicture]) -> list[Shown]:
    """A contact sheet per stack."""
    return [
        folder.pixels(
            contact_sheet(stack),
            f"desc-stack{entity_of(stack.label, n)}_T2w",
            title=f"{stack.label}, TE {stack.te_ms:g} ms",
            alt=(
                f"Contact sheet of {stack.label} at {stack.te_ms:g} ms: two planes across the slices, then"
                f" {plural(len(stack.slices_with_brain()), 'slice')} with the outline of the brain mask."
            ),
            caption="",
        )
        for n, stack in enumerate(stacks)
    ]


def motion(folder: FigureFolder, stacks: Sequence[StackMotion]) -> list[Shown]:
    """Curves of motion; empty without a slice table."""
    if not stacks:
        return []
    n_aside = sum(int((s.status == "set-aside").sum()) for s in stacks)
    timed = all(np.isfinite(s.time_s).all() for s in stacks)
    order = "order of acquisition" if timed else "order of acquisition where slice times are known, else of slice index"
    return [
        folder.curves(
            figure_motion(stacks),
            "rec-inr_desc-motion_T2w",
            title="Motion of the slices",
            alt=f"Rotation and displacement of each slice about three axes, for {len(stacks)} stacks.",
            caption=(
                f"Where the reconstruction put each slice, against where its header puts it, in {order}:"
                " rotation vector in degrees (left) and displacement of the slice centre in millimetres"
                f" (right), about and along the axes of the scanner. Crosses: {plural(n_aside, 'slice')} set"
                " aside. Slices without brain are left out. One range for all stacks."
            ),
            kind="wide",
        )
    ]


def inspector(
    folder: FigureFolder, motions: Sequence[StackMotion], pictures: Sequence[StackPicture]
) -> Inspector | None:
    """Heat maps of weight and residual with the slices behind them; None without a slice table."""
    if not motions:
        return None
    by_label = {f"{p.label}, TE {p.te_ms:g} ms": p for p in pictures}
    palette = sprite_palette()
    shown: list[Shown | None] = []
    sizes, columns = [], []
    for n, row in enumerate(motions):
        picture = by_label.get(row.label)
        found, size, places = sprite(picture) if picture else (np.zeros((3, 1), np.uint8), (1, 1), {})
        sizes.append(size)
        columns.append(places)
        shown.append(
            folder.pixels(
                found,
                f"desc-slices{entity_of(row.label, n)}_T2w",
                title="Measured and predicted slices",
                alt=f"Measured, predicted and difference of each slice of {row.label}.",
                caption="",
                palette=palette,
            )
            if places
            else None
        )
    return Inspector(
        maps=(weight_map(motions, columns), residual_map(motions, columns)),
        sprites=tuple(shown),
        sizes=tuple(sizes),
        percent=100 * DIFFERENCE_SHARE,
    )


def agreement(folder: FigureFolder, found: Sequence[Agreement]) -> list[Shown]:
    """Measured against predicted pixels; empty without predictions."""
    if not found:
        return []
    said = "; ".join(f"{f.te_ms:g} ms: r {f.correlation:.3f}, error {f.error_percent:.1f} % of the mean" for f in found)
    return [
        folder.curves(
            figure_agreement(found),
            "rec-inr_desc-agreement_T2w",
            title="Measured and predicted intensity",
            alt=f"Counts of pixels by predicted and measured intensity, one panel per echo time. {said}.",
            caption=(
                "Every pixel in the masks of the slices in use, measured against predicted, gains included; colour:"
                " number of"
                " pixels, logarithmic. Predicted here from the stored volumes with the forward model of the"
                " reconstruction:"
                " pixels at the edge of the mask miss what lies outside it and fall to the left."
            ),
            kind="wide",
        )
    ]
