"""How many stacks that were spoiled on purpose are flagged, and how many good ones: simulated sessions of nine stacks.

Masks are the true ones, a pixel too large or too small in two of three stacks. Two stacks of a session are spoiled at a
time. The seeds are used for nothing else: thresholds were set on other sessions.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from benchmarks.cases import HERE
from fetalt2prep.core.quality.assess import StackReport, assess
from fetalt2prep.core.stack import Stack
from fetalt2prep.sim import CaseOptions, simulate_case
from fetalt2prep.sim.artefacts import draw_voids, void_factor
from fetalt2prep.sim.preset import read_preset

KINDS = {"empty mask": 6, "half mask": 9, "mother as mask": 9, "another subject": 8, "voids": 9, "flipped": 9}
AGES_WEEKS = (23.0, 26.0, 29.0, 32.0, 24.5, 30.5)
SEED = 500
VOID_SHARE = 0.3
SIGNS = tuple((i, j, k) for i in (1, -1) for j in (1, -1) for k in (1, -1) if 0 < (i, j, k).count(-1) < 3)


@dataclass(frozen=True)
class Session:
    """Stacks of a simulated fetus."""

    weeks: float
    name: str
    stacks: list[Stack]


def options_of(number: int) -> tuple[str, CaseOptions]:
    """Case of a number: ages, motions, noise, fields of view, protocols and presets take turns."""
    common: dict[str, object] = {
        "gestational_age_weeks": AGES_WEEKS[number],
        "ventricle_scale": 0.6,
        "age_dependent_tissue": True,
        "truth_mm": 2.0,
        "in_plane_mm": (2.0, 1.5)[number % 2],
        "margin_mm": (16.0, 24.0)[number % 2],
        "slice_margin_mm": 9.0,
        "motion": ("moderate", "mild")[number // 2 % 2],
        "snr": (15.0, 25.0, 12.0)[number % 3],
    }
    if number in (3, 4):
        name = ("fetal-0.55T-32w", "fetal-1.5T-30w")[number % 2]
        return name, read_preset(name, common)
    field_t, te_s = ((0.55, (0.300, 0.397, 0.600)), (1.5, (0.120, 0.220, 0.400)))[number % 2]
    return f"spin echo {field_t:g} T", CaseOptions(field_t=field_t, te_s=te_s, **common)  # type: ignore[arg-type]


def session_of(number: int) -> Session:
    """A session of good stacks."""
    name, options = options_of(number)
    rng = np.random.default_rng([SEED, number])
    stacks = simulate_case(options, seed=SEED + number).stacks
    return Session(options.gestational_age_weeks, name, [replace(s, mask=redrawn(s.mask, rng)) for s in stacks])


def redrawn(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The mask as it is, a pixel larger, or a pixel smaller, in its slices."""
    cross = ndimage.generate_binary_structure(3, 1)
    cross[:, :, [0, 2]] = False
    change = (lambda m, _: m, ndimage.binary_dilation, ndimage.binary_erosion)[int(rng.integers(3))]
    return np.asarray(change(mask, cross))


def spoil(kind: str, stack: Stack, others: Sequence[Stack], rng: np.random.Generator) -> Stack:
    """The stack, spoiled; ``others``: stacks of the same plane and echo of other fetuses, three weeks apart."""
    if kind == "empty mask":
        return replace(stack, mask=np.zeros_like(stack.mask))
    if kind == "half mask":
        axis = int(rng.integers(3))
        index = np.indices(stack.mask.shape)[axis]
        cut = index >= np.median(index[stack.mask])
        return replace(stack, mask=stack.mask & (cut if rng.random() < 0.5 else ~cut))
    if kind == "mother as mask":
        return replace(stack, mask=beside(stack, rng))
    if kind == "another subject":
        other = others[int(rng.integers(len(others)))]
        return replace(other, name=stack.name, te_s=stack.te_s)
    return with_voids(stack, rng) if kind == "voids" else flipped(stack, rng)


def beside(stack: Stack, rng: np.random.Generator) -> np.ndarray:
    """What lies 6 to 20 mm from the brain on one side of it."""
    distance = ndimage.distance_transform_edt(~stack.mask, sampling=stack.spacing_mm)
    axis, sign = int(rng.integers(2)), rng.choice((-1, 1))
    index = np.indices(stack.mask.shape)[axis] - np.argwhere(stack.mask).mean(0)[axis]
    return np.asarray((distance > 6) & (distance < 20) & (sign * index > 0))


def with_voids(stack: Stack, rng: np.random.Generator) -> Stack:
    """30 % of the brain's slices lose signal: all of them locally, or all of them as a whole."""
    brain = np.flatnonzero(stack.mask.any((0, 1)))
    hit = rng.choice(brain, int(np.ceil(VOID_SHARE * len(brain))), replace=False)
    reach_mm = 0.35 * float(np.cbrt(stack.mask.sum() * stack.spacing_mm.prod()))
    voids = draw_voids(rng, stack.n_slices, 1.0, reach_mm)
    middle = np.argwhere(stack.mask).mean(0)
    x, y = ((np.arange(stack.pixels.shape[a]) - middle[a]) * stack.spacing_mm[a] for a in (0, 1))
    pixels, local = stack.pixels.copy(), rng.random() < 0.5
    for k in hit:
        factor = void_factor(voids, int(k), x[:, None].astype("f4"), y[None].astype("f4"))
        pixels[:, :, k] *= factor if local else rng.uniform(0.1, 0.5)
    return replace(stack, pixels=pixels)


def flipped(stack: Stack, rng: np.random.Generator) -> Stack:
    """One or two voxel axes reversed: in the header, or in the pixels under the header."""
    signs = SIGNS[int(rng.integers(len(SIGNS)))]
    axes = [axis for axis, sign in enumerate(signs) if sign < 0]
    if rng.random() < 0.5:
        return replace(stack, pixels=np.flip(stack.pixels, axes).copy(), mask=np.flip(stack.mask, axes).copy())
    affine = stack.affine.copy()
    for axis in axes:
        affine[:3, 3] += affine[:3, axis] * (stack.pixels.shape[axis] - 1)
        affine[:3, axis] *= -1
    return replace(stack, affine=affine)


def row(kind: str, session: Session, stack: Stack, report: StackReport) -> dict[str, object]:
    """What is kept of a stack."""
    at = report.alignment
    return {
        "kind": kind,
        "case": session.name,
        "weeks": session.weeks,
        "stack": stack.name,
        "flagged": report.flagged,
        "failed": report.failed,
        "reasons": [*report.mask.reasons, *report.picture.reasons],
        "correlation": None if at is None else round(at.correlation, 3),
        "flip_gain": None if at is None else round(at.flip_gain, 4),
        "dice": round(report.mask_dice, 3),
        "dropped_share": round(report.dropped_share, 3),
    }


def run(sessions: Sequence[Session]) -> dict[str, object]:
    """Good sessions, then sessions with two spoiled stacks each."""
    rng = np.random.default_rng(SEED)
    good: list[dict[str, object]] = []
    seconds = []
    for session in sessions:
        began = time.process_time()
        reports, _ = assess(session.stacks, weeks=session.weeks)
        seconds.append(round(time.process_time() - began, 2))
        good += [row("good", session, s, r) for s, r in zip(session.stacks, reports, strict=True)]
    kinds = rng.permutation([kind for kind, n in KINDS.items() for _ in range(n)]).tolist()
    spoiled: list[dict[str, object]] = []
    beside_them = 0
    for turn, pair in enumerate(zip(kinds[::2], kinds[1::2], strict=True)):
        session, stacks = sessions[turn % len(sessions)], list(sessions[turn % len(sessions)].stacks)
        where = rng.choice(len(stacks), 2, replace=False).tolist()
        for n, kind in zip(where, pair, strict=True):
            others = [s.stacks[n] for s in sessions if abs(s.weeks - session.weeks) >= 3]
            stacks[n] = spoil(kind, stacks[n], others, rng)
        reports, _ = assess(stacks, weeks=session.weeks)
        spoiled += [row(kind, session, stacks[n], reports[n]) for n, kind in zip(where, pair, strict=True)]
        beside_them += sum(report.flagged for n, report in enumerate(reports) if n not in where)
        print(turn, [(r["kind"], r["flagged"]) for r in spoiled[-2:]], flush=True)
    good = good[:50]
    counts = {k: [sum(bool(r["flagged"]) for r in spoiled if r["kind"] == k), n] for k, n in KINDS.items()}
    return {
        "spoiled": len(spoiled),
        "spoiled_flagged": sum(bool(r["flagged"]) for r in spoiled),
        "good": len(good),
        "good_flagged": sum(bool(r["flagged"]) for r in good),
        "by_kind": counts,
        "good_stacks_beside_spoiled_ones": 9 * 25 - 50,
        "of_them_flagged": beside_them,
        "cpu_s_of_a_session_of_nine_stacks": seconds,
        "rows": [*spoiled, *good],
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Simulate, spoil, assess, keep the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "spoiled.json")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    result = run([session_of(number) for number in range(len(AGES_WEEKS))])
    args.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print({name: value for name, value in result.items() if name != "rows"})


if __name__ == "__main__":
    main()
