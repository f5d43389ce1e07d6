"""All stacks of a session, looked at together: which masks and pictures can be believed, and why not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from fetalt2prep.core.mask.agreement import distance_from_others_mm
from fetalt2prep.core.mask.consensus import VOTE, consensus_mask, grid_points_mm, votes_in
from fetalt2prep.core.mask.sanity import MaskFacts, Verdict, judge_agreement, judge_facts, mask_facts
from fetalt2prep.core.quality.align import Alignment, align_stacks, into_stack, out_of_stack
from fetalt2prep.core.quality.dropped import DROPPED_SHARE, lost_share
from fetalt2prep.core.quality.measures import motion_index_mm, rank_measure, sharpness_per_mm, snr
from fetalt2prep.core.quality.rough import Rough, common_grid, rough_stack
from fetalt2prep.core.stack import Stack

MAX_DISTANCE_MM = 60.0
"""A head whose centre lies farther from the others' is not the same head, or its header is wrong."""
LEAST_RELATIVE = 0.7
"""Of the median correlation of the other stacks: a picture below shows something else, or mostly motion."""
FAILED_CORRELATION, SETTLED_CORRELATION = 0.3, 0.5
"""A stack below the first, among others above the second, is not of the same head."""
FLIP_GAIN, MIRROR_GAIN = 0.02, 0.2
"""Correlation that reversed axes bring: noise of a nearly symmetric brain brings up to 0.015; no motion brings 0.2 by a
mirror."""
TURN_DEG = 60.0
DROPPED_STACK, FAILED_DROPPED = 0.18, 0.6
"""Share of slices with dropped signal: twice what voids of 6 % of the slices make likely; most of the stack."""
MIN_TRUST = 0.05
LIKE_DICE = 0.5
"""With the middle one of all masks: below it a mask has no vote on the others."""


@dataclass(frozen=True, kw_only=True)
class StackReport:
    """One stack among the others."""

    facts: MaskFacts
    mask: Verdict
    picture: Verdict
    alignment: Alignment | None
    mask_dice: float
    mask_volume_ratio: float
    coverage: float
    """Share of the brain of all stacks that lies inside this stack's field of view."""
    snr: float
    sharpness_per_mm: float
    motion_index_mm: float
    rank_measure: float
    lost_share: NDArray[np.float64]  # (slice,), NaN where a slice is not judged

    @property
    def dropped(self) -> NDArray[np.bool_]:
        """Slices with dropped signal, (slice,)."""
        return np.nan_to_num(self.lost_share) > DROPPED_SHARE

    @property
    def dropped_share(self) -> float:
        """Of the slices that could be judged; NaN when none could."""
        judged = int(np.isfinite(self.lost_share).sum())
        return float(self.dropped.sum() / judged) if judged else math.nan

    @property
    def failed(self) -> bool:
        """Whether the stack is clearly broken."""
        return "failed" in (self.mask.verdict, self.picture.verdict)

    @property
    def flagged(self) -> bool:
        """Whether anything is to be looked at."""
        return self.mask.verdict != "ok" or self.picture.verdict != "ok"


def assess(
    stacks: Sequence[Stack],
    *,
    weeks: float | None = None,
    confidences: Sequence[float | None] | None = None,
    consensus: bool = False,
) -> tuple[list[StackReport], list[NDArray[np.bool_]]]:
    """Reports on the stacks of a session, and their masks, with ``consensus`` those that all agree on.

    ``weeks``: gestational age. ``confidences``: of each mask, None for a given one.
    """
    trusts = list(confidences) if confidences is not None else [None] * len(stacks)
    facts = [mask_facts(stack.mask, stack.affine) for stack in stacks]
    masks = [judge_facts(f, weeks=weeks, confidence=c) for f, c in zip(facts, trusts, strict=True)]
    masks = _judge_places(stacks, masks)
    group = _Group(stacks, [n for n, verdict in enumerate(masks) if verdict.verdict != "failed"])
    reports = [_report(n, stack, facts[n], masks[n], group) for n, stack in enumerate(stacks)]
    believed = [not report.failed for report in reports]
    settled = [group.consensus(n, believed) if consensus else stack.mask for n, stack in enumerate(stacks)]
    return reports, settled


class _Group:
    """The stacks that take part in the comparison, in common space."""

    def __init__(self, stacks: Sequence[Stack], members: Sequence[int]) -> None:
        known = {n: rough for n in members if (rough := rough_stack(stacks[n])) is not None}
        self.stacks, self.place = stacks, {n: k for k, n in enumerate(known)}
        self.roughs: list[Rough] = list(known.values())
        self.at = align_stacks(self.roughs)
        self.trust = [max(at.correlation, MIN_TRUST) if math.isfinite(at.correlation) else 1.0 for at in self.at]
        self.votes = [weight * like for weight, like in zip(self.trust, self._alike(), strict=True)]

    def _alike(self) -> list[bool]:
        """Whether each mask is like the one that most others are like: of three, a wrong one must not outvote two."""
        n = len(self.roughs)
        if n < 3:
            return [True] * n
        points = common_grid(torch.stack([rough.centre_mm for rough in self.roughs]).median(0).values).points_mm()
        seen = [
            rough.at(rough.mask, into_stack(rough, at, points)) for rough, at in zip(self.roughs, self.at, strict=True)
        ]
        inside = torch.stack([(mask >= VOTE).flatten() for mask, _ in seen]).float()
        view = torch.stack([where.flatten() for _, where in seen]).float()
        shared = inside @ inside.T
        dice = 2 * shared / (inside @ view.T + view @ inside.T).clamp(min=1)  # each within the other's field of view
        middle = int(dice.fill_diagonal_(torch.nan).nanmedian(1).values.argmax())
        alike = (dice[middle] >= LIKE_DICE).tolist()
        alike[middle] = True
        return alike if sum(alike) > 1 else [True] * n

    def agreement(self, n: int) -> tuple[float, float]:
        """Dice of a stack's mask with the others' brain in its field of view, and ratio of the volumes."""
        if n not in self.place or len(self.roughs) < 2:
            return math.nan, math.nan
        stack = self.stacks[n]
        points = torch.as_tensor(grid_points_mm(stack.mask.shape, stack.affine), dtype=torch.float32)
        mean, count = votes_in(self.place[n], self.roughs, self.at, self.votes, points)
        brain, seen = (mean >= VOTE).numpy(), (count > 0).numpy()
        own = stack.mask & seen
        if not brain.any():
            return 0.0, math.inf
        return float(2 * (own & brain).sum() / (own.sum() + brain.sum())), float(own.sum() / brain.sum())

    def coverage(self, n: int) -> float:
        """Share of the brain's points in all stacks that lie in this stack's field of view."""
        if n not in self.place:
            return math.nan
        k = self.place[n]
        grid = common_grid(self.roughs[k].centre_mm)
        points = grid.points_mm().flatten(0, 2)
        own = into_stack(self.roughs[k], self.at[k], points)
        total, count = torch.zeros(len(points)), torch.zeros(len(points))
        for weight, rough, at in zip(self.votes, self.roughs, self.at, strict=True):
            brain, seen = rough.at(rough.mask, into_stack(rough, at, points))
            total, count = total + weight * brain, count + weight * seen.float()
        _, inside = self.roughs[k].at(self.roughs[k].mask, own[total >= VOTE * count.clamp(min=1e-6)])
        return float(inside.float().mean()) if len(inside) else math.nan

    def lost(self, n: int) -> NDArray[np.float64]:
        """Share of lost signal of each slice."""
        stack = self.stacks[n]
        if n not in self.place or len(self.roughs) < 3:
            return np.full(stack.n_slices, np.nan)
        k = self.place[n]
        voxels = np.argwhere(stack.mask)
        world = torch.as_tensor(voxels @ stack.affine[:3, :3].T + stack.affine[:3, 3], dtype=torch.float32)
        common = out_of_stack(self.roughs[k], self.at[k], world)
        total, count = torch.zeros(len(voxels)), torch.zeros(len(voxels))
        for other, (rough, at) in enumerate(zip(self.roughs, self.at, strict=True)):
            if other != k:
                seen, inside = rough.at(rough.picture, into_stack(rough, at, common))
                weight = self.trust[other] ** 2
                total, count = total + weight * seen, count + weight * inside.float()
        expected = np.full(stack.mask.shape, np.nan)
        mean = torch.where(count > 1e-3, total / count.clamp(min=1e-6), torch.nan)
        expected[tuple(voxels.T)] = mean.numpy() ** 2  # pictures are square roots of the signal
        return lost_share(self.roughs[k].picture.numpy() ** 2, expected, stack.mask, stack.spacing_mm)

    def consensus(self, n: int, believed: Sequence[bool]) -> NDArray[np.bool_]:
        """The mask that the believed stacks agree on."""
        stack = self.stacks[n]
        if n not in self.place:
            return stack.mask
        trust = [weight * believed[number] for weight, number in zip(self.votes, self.place, strict=True)]
        return consensus_mask(self.place[n], stack.mask, stack.affine, self.roughs, self.at, trust)


def _judge_places(stacks: Sequence[Stack], masks: Sequence[Verdict]) -> list[Verdict]:
    """Fail the masks that lie elsewhere than most."""
    centres = np.full((len(stacks), 3), np.nan)
    for n, stack in enumerate(stacks):
        if stack.mask.any():
            centres[n] = stack.affine[:3, :3] @ np.argwhere(stack.mask).mean(0) + stack.affine[:3, 3]
    distances = distance_from_others_mm(centres, MAX_DISTANCE_MM)
    return [
        verdict.with_reason(
            "failed",
            f"its brain mask lies {distance:.0f} mm from those of the other stacks (limit {MAX_DISTANCE_MM:.0f} mm). "
            "Check the mask and the header",
        )
        if distance > MAX_DISTANCE_MM
        else verdict
        for verdict, distance in zip(masks, distances, strict=True)
    ]


def _report(n: int, stack: Stack, facts: MaskFacts, verdict: Verdict, group: _Group) -> StackReport:
    dice, ratio = group.agreement(n)
    at = group.at[group.place[n]] if n in group.place else None
    report = StackReport(
        facts=facts,
        mask=judge_agreement(verdict, dice, ratio, len(group.roughs) - 1),
        picture=Verdict(),
        alignment=at,
        mask_dice=dice,
        mask_volume_ratio=ratio,
        coverage=group.coverage(n),
        snr=snr(stack),
        sharpness_per_mm=sharpness_per_mm(stack),
        motion_index_mm=motion_index_mm(stack.mask, stack.affine),
        rank_measure=rank_measure(stack),
        lost_share=group.lost(n),
    )
    others = [other.correlation for k, other in enumerate(group.at) if n in group.place and k != group.place[n]]
    return replace(
        report, picture=_judge_picture(report, float(np.median(others)) if others else math.nan, len(others))
    )


def _judge_picture(report: StackReport, usual: float, n_others: int) -> Verdict:
    """What the comparison of the pictures says; failing takes two others that agree."""
    found, at = Verdict(), report.alignment
    if at is not None and n_others > 0:
        if at.flip_gain > FLIP_GAIN:
            axes = " and ".join(axis for axis, sign in zip("ijk", at.flip, strict=True) if sign < 0)
            sure = at.is_mirror and at.flip_gain > MIRROR_GAIN and n_others > 1
            hint = "no motion mirrors a head" if at.is_mirror else "or the fetus turned"
            found = found.with_reason(
                "failed" if sure else "suspect",
                f"agrees better with the others when axis {axes} is reversed (correlation {at.correlation:.2f}, then "
                f"{at.correlation + at.flip_gain:.2f}): the header may be wrong; {hint}",
            )
        elif at.correlation < LEAST_RELATIVE * usual:
            sure = at.correlation < FAILED_CORRELATION and usual > SETTLED_CORRELATION and n_others > 1
            found = found.with_reason(
                "failed" if sure else "suspect",
                f"its picture has a correlation of {at.correlation:.2f} with the others, which have {usual:.2f}: it "
                "shows something else, or moved",
            )
        if at.turn_deg > TURN_DEG and at.flip_gain <= FLIP_GAIN:
            found = found.with_reason("suspect", f"the head is turned by {at.turn_deg:.0f} deg from the others")
    if report.dropped_share > DROPPED_STACK and report.dropped.sum() > 2:
        found = found.with_reason(
            "failed" if report.dropped_share > FAILED_DROPPED and n_others > 1 else "suspect",
            f"{int(report.dropped.sum())} of its slices have dropped signal ({100 * report.dropped_share:.0f} %)",
        )
    return found
