"""Signals that are no single exponential: what each model makes of them, and whether its residual says so.

Two simulated sessions of 22 weeks, moderate motion, voids in 15 % of the slices, one seed: fast spin echoes whose
refocusing pulses of 160 degrees and uneven transmit field leave stimulated echoes (simulated by extended phase graphs),
and spin echoes of tissue that holds 10 % fluid in every voxel. The reference T2 is the log-linear fit of the true
echoes of each, so that an error is the model's and not that of calling such a decay a T2.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases import HERE
from benchmarks.fresh import options_of, run
from benchmarks.stacks import PLANES
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.sim import CaseOptions, simulate_case, write_case
from fetalt2prep.sim import scan as sim_scan
from fetalt2prep.sim.echo_train import EchoTrain
from fetalt2prep.sim.truth import loglinear_t2, spin_echo

Floats = NDArray[np.float32]
CASE, SEED, AGE_WEEKS = 1, 101, 22.0
FLUID_SHARE, FLUID_T2_S = 0.1, 1.5
LONGEST_TISSUE_S = 1.0  # T2 beyond which a voxel is fluid already
MODELS = ("decay", "bridge", "mcreg")
RESULTS = HERE / "results" / "wrong_physics.json"


def base() -> CaseOptions:
    """The session whose signal is changed."""
    return replace(options_of(CASE), gestational_age_weeks=AGE_WEEKS)


def with_fluid(m0: Floats, t2_s: Floats, te_s: float) -> Floats:
    """Spin echo of voxels of which a share is fluid, where they are tissue."""
    fluid = np.full_like(m0, base().units_per_m0)
    mixed = (1 - FLUID_SHARE) * spin_echo(m0, t2_s, te_s) + FLUID_SHARE * spin_echo(
        fluid, np.full_like(t2_s, FLUID_T2_S), te_s
    )
    tissue = (m0 > 0) & (t2_s < LONGEST_TISSUE_S)
    return np.asarray(np.where(tissue, mixed, spin_echo(m0, t2_s, te_s)), np.float32)


def mixing() -> AbstractContextManager[object]:
    """The simulator with fluid in every voxel of tissue."""
    return patch.object(sim_scan, "spin_echo", with_fluid)


CASES: dict[str, tuple[CaseOptions, Callable[[], AbstractContextManager[object]]]] = {
    "single exponential": (base(), nullcontext),
    "stimulated echoes": (replace(base(), echo_train=EchoTrain()), nullcontext),
    "10 % fluid": (base(), mixing),
}


def write(name: str, folder: Path) -> Path:
    """Simulate a case; its reference T2 is the log-linear fit of its own true echoes."""
    options, change = CASES[name]
    with change():
        case = simulate_case(options, seed=SEED)
    truth = case.truth
    write_case(replace(case, truth=replace(truth, t2_s=loglinear_t2(truth.echoes, truth.te_s))), folder)
    return folder


def main(argv: Sequence[str] | None = None) -> None:
    """Simulate, run, print a line a row, keep the numbers after each; rows that are kept are not run again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=tuple(CASES), default=list(CASES))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    rows = json.loads(args.out.read_text("utf-8")) if args.out.exists() else []
    for name in args.cases:
        missing = [m for m in args.models if not any(r["case"] == name and r["model"] == m for r in rows)]
        if not missing:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            folder = write(name, Path(scratch) / "case")
            for model in missing:
                rows.append({"case": name} | run(folder, PLANES[0], ReconOptions(model=model), known=False))
                print(json.dumps(rows[-1]), flush=True)
                args.out.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
