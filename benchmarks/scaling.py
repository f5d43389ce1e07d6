"""How the time of a reconstruction grows with pixels and with echo times, and how it divides into stages.

A small simulated head (50 mm, moderate motion), three stacks per echo time. All seconds are processor seconds of the
process, on one thread if ``OMP_NUM_THREADS=1``; the engine's account of stages is given that clock too.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

from benchmarks.cases import HERE
from benchmarks.stacks import PLANES, read_stacks
from fetalt2prep.core.recon import joint
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.sim import CaseOptions, simulate_case, write_case

ECHO_TIMES_S = (0.120, 0.180, 0.250, 0.330, 0.420)
IN_PLANE_MM = 2.0
BRAIN_MM = 50.0
SEED = 7
RESULTS = HERE / "results" / "scaling.json"
RUNS = (  # pixels, echo times
    *((factor, 3) for factor in (1, 2, 4)),
    *((1, number) for number in (2, 4, 5)),
)


def measure(factor: int, n_echoes: int) -> dict[str, object]:
    """Simulate and reconstruct once; ``factor`` times the pixels in every slice."""
    options = CaseOptions(
        gestational_age_weeks=24.0,
        brain_length_mm=BRAIN_MM,
        te_s=ECHO_TIMES_S[:n_echoes],
        in_plane_mm=IN_PLANE_MM / factor**0.5,
    )
    with tempfile.TemporaryDirectory() as scratch:
        write_case(simulate_case(options, seed=SEED), Path(scratch) / "case")
        stacks = read_stacks(Path(scratch) / "case", PLANES[0])
    began = time.process_time()
    with patch.object(joint, "time", SimpleNamespace(perf_counter=time.process_time)):
        info = joint.reconstruct(stacks, ReconOptions()).info
    seconds = time.process_time() - began
    stages = dict(info["seconds"])  # type: ignore[call-overload]
    stages["volumes and standard errors"] = round(seconds - sum(stages.values()), 2)
    return {
        "factor": factor,
        "n_echoes": n_echoes,
        "n_pixels": info["n_pixels"],
        "n_lattice_points": info["n_lattice_points"],
        "cpu_s": round(seconds, 2),
        "stages": stages,
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Run, print a line a run, keep the numbers after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    results = []
    for factor, n_echoes in RUNS:
        results.append(measure(factor, n_echoes))
        print(json.dumps(results[-1]), flush=True)
        args.out.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
