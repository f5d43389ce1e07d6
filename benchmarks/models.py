"""The models side by side (sc, mc, mcreg, decay) at three, two and one stack per echo time, without the app.

On the developers' cases, and on those of :mod:`benchmarks.fresh`. A row that is kept already is not run again: a queue
that was stopped goes on where it was. Truth is read by the scorer alone.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.cases import CASES, HERE
from benchmarks.fresh import options_of, run
from benchmarks.stacks import PLANES
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.sim import simulate_case, write_case

RESULTS = HERE / "results" / "models.json"
MODELS = ("sc", "mc", "mcreg", "decay")
KEY = ("case", "resolution_mm", "stacks", "model")


def fresh_case(number: int, folder: Path) -> Path:
    """Folder of a fresh case, simulated there unless it is there already."""
    case = folder / f"case-{number}"
    if not case.exists():
        write_case(simulate_case(options_of(number), seed=100 + number), case)
    return case


Key = tuple[str, float, int, str]


def missing(rows: Sequence[Any], wanted: Sequence[Key]) -> list[Key]:
    """Those of (case, spacing of the lattice in mm, stacks per echo time, model) that no row holds."""
    kept = {tuple(row[name] for name in KEY) for row in rows}
    return [key for key in wanted if key not in kept]


def main(argv: Sequence[str] | None = None) -> None:
    """Run, print a line a run, keep the numbers after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=Path, default=CASES)
    parser.add_argument("--names", nargs="*", default=["ga24", "ga29"])
    parser.add_argument("--fresh", type=int, nargs="*", default=list(range(10)), help="numbers of fresh cases")
    parser.add_argument("--folder", type=Path, help="where fresh sessions are kept; a temporary folder otherwise")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--stacks", type=int, nargs="+", choices=(1, 2, 3), default=(3, 2, 1), help="per echo time")
    parser.add_argument("--resolution", type=float, default=ReconOptions().resolution_mm, help="of the volumes, mm")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    rows = json.loads(args.out.read_text("utf-8")) if args.out.exists() else []
    names = [*args.names, *(f"fresh {number}" for number in args.fresh)]
    mm = args.resolution
    wanted = [(name, mm, stacks, model) for name in names for stacks in args.stacks for model in args.models]
    with tempfile.TemporaryDirectory() as scratch:
        for name, _, stacks, model in missing(rows, wanted):
            fresh = name.startswith("fresh ")
            case = fresh_case(int(name[6:]), args.folder or Path(scratch)) if fresh else args.cases / name
            planes = next(chosen for chosen in PLANES if len(chosen) == stacks)
            options = ReconOptions(model=model, resolution_mm=mm)
            rows.append({"case": name, "resolution_mm": mm} | run(case, planes, options, known=False))
            print(json.dumps(rows[-1]), flush=True)
            args.out.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
