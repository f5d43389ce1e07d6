"""``python -m fetalt2prep.sim OUT``: write a simulated BIDS dataset."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fetalt2prep.sim.bids_writer import write_case
from fetalt2prep.sim.case import simulate_case
from fetalt2prep.sim.motion import LEVELS
from fetalt2prep.sim.options import PRESETS, CaseOptions


def build_parser() -> argparse.ArgumentParser:
    """Arguments; what is left out keeps the preset's value."""
    parser = argparse.ArgumentParser(prog="python -m fetalt2prep.sim", description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write; must be absent or empty")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="demo", help="starting point (default: demo)")
    parser.add_argument("--seed", type=int, default=1, help="of the first subject; the next ones count up (default: 1)")
    parser.add_argument("--subjects", type=int, default=1, help="number of subjects, sub-sim01 and on (default: 1)")
    parser.add_argument("--te", type=float, nargs="+", metavar="MS", help="echo times in milliseconds")
    parser.add_argument("--planes", nargs="+", metavar="PLANE", help="one stack per echo time and entry")
    parser.add_argument("--age", type=float, metavar="WEEKS", help="gestational age (the demo keeps its small brain)")
    parser.add_argument("--resolution", type=float, metavar="MM", help="in-plane pixel size")
    parser.add_argument("--thickness", type=float, metavar="MM", help="slice thickness; spacing follows")
    parser.add_argument("--motion", choices=sorted(LEVELS), help="motion level")
    parser.add_argument("--motion-scale", type=float, help="multiplies all motion")
    parser.add_argument("--snr", type=float, help="white matter, shortest echo time; inf for none")
    return parser


def options_of(arguments: argparse.Namespace) -> CaseOptions:
    """Preset with what the command line changes; raises ValueError with the way out."""
    changes: dict[str, object] = {
        "gestational_age_weeks": arguments.age,
        "in_plane_mm": arguments.resolution,
        "thickness_mm": arguments.thickness,
        "spacing_mm": arguments.thickness,
        "motion": arguments.motion,
        "motion_scale": arguments.motion_scale,
        "snr": arguments.snr,
        "planes": None if arguments.planes is None else tuple(arguments.planes),
        "te_s": None if arguments.te is None else tuple(te_ms / 1000.0 for te_ms in arguments.te),
    }
    given = {name: value for name, value in changes.items() if value is not None}
    preset = PRESETS[arguments.preset]()
    return replace(preset, **given)  # type: ignore[arg-type]


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0; 1 when OUT cannot be written; 2 when the arguments make no dataset."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    out: Path = arguments.out
    try:
        options = options_of(arguments)
    except ValueError as error:
        parser.error(str(error))
    if arguments.subjects < 1:
        parser.error(f"--subjects is {arguments.subjects}; at least 1 is needed.")
    if arguments.seed < 0:
        parser.error(f"--seed is {arguments.seed}; it must be 0 or more.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        parser.error(f"{out}: not an empty folder; name a new one, nothing is overwritten.")
    for k in range(arguments.subjects):
        subject = f"sim{k + 1:02d}"
        try:
            case = simulate_case(options, arguments.seed + k)
        except ValueError as error:
            parser.error(str(error))
        try:
            write_case(case, out, subject)
        except OSError as error:
            sys.stderr.write(f"{out}: cannot be written: {error}\n")
            return 1
        sys.stdout.write(f"{out}/sub-{subject}: {len(case.stacks)} stacks, seed {arguments.seed + k}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
