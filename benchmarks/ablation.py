"""What each part of the engine gives: one simulated case, one part switched off or exchanged at a time.

The case is number 1 of :mod:`benchmarks.fresh` (moderate motion, voids in 15 % of the slices), simulated by our own
simulator with one seed. Parts that no option switches off are replaced here, from outside, for the length of a row.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor

from benchmarks.cases import HERE
from benchmarks.fresh import options_of, run
from benchmarks.stacks import PLANES
from fetalt2prep.core import slice_op
from fetalt2prep.core.geometry import Rigid
from fetalt2prep.core.recon import field_fit, joint, priors, trust
from fetalt2prep.core.recon.lost_slices import Placed, judge
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.core.recon.schedule import Level, levels
from fetalt2prep.core.recon.slices import Slices
from fetalt2prep.core.recon.smooth_field import SmoothField
from fetalt2prep.sim import simulate_case, write_case

CASE, SEED = 1, 101
DEFAULT = ReconOptions()
NO_FLOOR = 1e-6  # session scale: of exactly 0 the square root has no slope
RESULTS = HERE / "results" / "ablation.json"


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    options: ReconOptions = DEFAULT
    change: Callable[[], AbstractContextManager[object]] = nullcontext


def weights_of_one() -> AbstractContextManager[object]:
    """Every pixel and every slice counts the same."""
    stack = ExitStack()
    stack.enter_context(patch.object(trust, "cauchy_weights", lambda residual, sigma: torch.ones_like(residual)))
    stack.enter_context(patch.object(trust, "slice_weights", lambda rms, echo_of: torch.ones_like(rms)))
    return stack


def whole_stacks(resolution_mm: float, *, one_side: bool = False) -> tuple[Level, ...]:
    """The schedule with every stack moving as a whole to the end."""
    return tuple(replace(level, move="stack") for level in levels(resolution_mm, one_side=one_side))


def one_lattice(resolution_mm: float, *, one_side: bool = False) -> tuple[Level, ...]:
    """The schedule with every level at the resolution."""
    return tuple(replace(level, spacing_mm=resolution_mm) for level in levels(resolution_mm, one_side=one_side))


def stay(slices: Slices) -> tuple[Rigid, dict[str, float]]:
    """In place of the search: every stack where the scanner put it."""
    return Rigid.identity(slices.centres_mm), {}


def not_sought(slices: Slices, poses: Rigid) -> Placed:
    """In place of the search for lost slices: none is lost."""
    placed = judge(slices, poses)
    return replace(placed, lost=torch.zeros_like(placed.lost))


def without_floor(*known: object) -> field_fit.Scene:
    """A scene that takes magnitude for signal; the spread of the residual keeps its lower limit."""
    scene = SCENE(*known)  # type: ignore[arg-type]
    scene.floor = NO_FLOOR
    return scene


def even(points_mm: Tensor, values: Tensor, weights: Tensor) -> SmoothField:
    """In place of the coil field: the weighted mean everywhere."""
    return SmoothField.constant(float((weights * values).sum() / weights.sum()))


def ones(slices: Slices, *_: Tensor) -> Tensor:
    """No gain of slices."""
    return torch.ones_like(slices.thickness_mm)


SCENE = joint._scene
ROWS = (
    Row("the engine as it is"),
    Row("point spread: Gaussian slice profile", ReconOptions(profile="gaussian")),
    Row("point spread: 1.2 pixels wide in plane", change=lambda: patch.object(slice_op, "IN_PLANE_FWHM", 1.2)),
    Row("poses: whole stacks only", change=lambda: patch.object(joint, "levels", whole_stacks)),
    Row("poses: no search of stacks", change=lambda: patch.object(joint, "search_stacks", stay)),
    Row("poses: lost slices are not looked for", change=lambda: patch.object(joint, "search_lost", not_sought)),
    Row("poses: one sinusoidal network for all", ReconOptions(motion="siren")),
    Row("weights of pixels and slices: all 1", change=weights_of_one),
    Row("gains of slices: all 1", change=lambda: patch.object(trust, "slice_gains", ones)),
    Row("no factor of the receive coils", ReconOptions(coil_field="off")),
    Row("no noise floor", change=lambda: patch.object(joint, "_scene", without_floor)),
    Row("no prior on density", change=lambda: patch.object(priors, "DENSITY_WEIGHT", 0.0)),
    Row("density without coil field", change=lambda: patch.object(SmoothField, "fitted", even)),
    Row("no prior on edges of R2", change=lambda: patch.object(priors, "RATE_EDGE_WEIGHT", 0.0)),
    Row("no prior on R2 itself", change=lambda: patch.object(priors, "RATE_WEIGHT", 0.0)),
    Row("no total variation of echoes", change=lambda: patch.object(field_fit, "EDGE_WEIGHT", 0.0)),
    Row("lattice: 1.2 mm", ReconOptions(resolution_mm=1.2)),
    Row("model `mcreg`", ReconOptions(model="mcreg")),
    Row("model `mc`", ReconOptions(model="mc")),
    Row("field `hash`", ReconOptions(field="hash")),
    Row("lattice: 0.8 mm from the start", change=lambda: patch.object(joint, "levels", one_lattice)),
    Row("field `siren-compact`", ReconOptions(field="siren-compact")),
)


def main(argv: Sequence[str] | None = None) -> None:
    """Simulate unless given, run, print a line a row, keep the numbers after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", type=Path, help="folder of the simulated session; simulated otherwise")
    parser.add_argument("--rows", type=int, nargs="+", default=list(range(len(ROWS))))
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    results = json.loads(args.out.read_text("utf-8")) if args.out.exists() else {}
    with tempfile.TemporaryDirectory() as scratch:
        case = args.case or Path(scratch) / "case"
        if not case.exists():
            write_case(simulate_case(options_of(CASE), seed=SEED), case)
        for row in (ROWS[number] for number in args.rows):
            with row.change():
                results[row.name] = run(case, PLANES[0], row.options, known=False)
            print(row.name, json.dumps(results[row.name]), flush=True)
            args.out.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
