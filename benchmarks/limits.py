"""What holds the engine back: one simulated case with one difficulty taken away at a time.

The case is that of :mod:`benchmarks.ablation`, whose first row is the case as it is. Noise, voids, motion and thickness
are taken away in the simulator, whose other random numbers stay the same (thinner slices are more slices: they draw
their own); true poses are read from the truth.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks.ablation import CASE, SEED
from benchmarks.cases import HERE
from benchmarks.fresh import options_of, run
from benchmarks.stacks import PLANES
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.sim import CaseOptions, simulate_case, write_case
from fetalt2prep.sim import case as sim_case
from fetalt2prep.sim.acquisition import StackPlan
from fetalt2prep.sim.prescription import draw_prescription
from fetalt2prep.sim.subject import Subject

NO_NOISE: Mapping[str, float] = {"snr": math.inf}
NO_VOIDS: Mapping[str, float] = {"void_probability": 0.0}
THIN: Mapping[str, float] = {"thickness_mm": 2.0, "spacing_mm": 2.0}
STILL: Mapping[str, str] = {"motion": "none"}
SHIFTED = "no motion, every stack moved by parts of a voxel"
ROWS: tuple[tuple[str, Mapping[str, object], bool], ...] = (  # name, change of the case, true poses
    ("true poses", {}, True),
    ("no noise", NO_NOISE, False),
    ("no voids", NO_VOIDS, False),
    ("no motion", STILL, False),
    (SHIFTED, STILL, False),
    ("slices of 2 mm", THIN, False),
    ("all of these", {**NO_NOISE, **NO_VOIDS, **STILL, **THIN}, True),
    ("all but the slices of 2 mm", {**NO_NOISE, **NO_VOIDS, **STILL}, True),
)
RESULTS = HERE / "results" / "limits.json"


def shifted(
    rng: np.random.Generator, options: CaseOptions, subject: Subject, head_to_scanner: NDArray[np.float64]
) -> list[StackPlan]:
    """In place of the simulator's: echo times of a plane no longer see the very same slices and pixels."""
    plans = draw_prescription(rng, options, subject, head_to_scanner)
    moved = []
    for plan in plans:
        affine = plan.affine.copy()
        affine[:3, 3] += affine[:3, :3] @ rng.uniform(-0.5, 0.5, 3)
        moved.append(replace(plan, affine=affine))
    return moved


def main(argv: Sequence[str] | None = None) -> None:
    """Simulate, run, print a line a row, keep the numbers after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=list(range(len(ROWS))))
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    results = json.loads(args.out.read_text("utf-8")) if args.out.exists() else {}
    for name, change, known in (ROWS[number] for number in args.rows):
        with tempfile.TemporaryDirectory() as scratch:
            case = Path(scratch) / "case"
            with patch.object(sim_case, "draw_prescription", shifted) if name == SHIFTED else nullcontext():
                simulated = simulate_case(replace(options_of(CASE), **change), seed=SEED)  # type: ignore[arg-type]
            write_case(simulated, case)
            results[name] = run(case, PLANES[0], ReconOptions(), known)
        print(name, json.dumps(results[name]), flush=True)
        args.out.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
