"""``fetalt2 simulate OUT``: stacks, masks and truth of simulated subjects."""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fetalt2prep.sim.options import CaseOptions

DESCRIPTION = (
    "Write a simulated multi-echo-time dataset: raw BIDS in OUT, brain masks in OUT/derivatives/masks, the truth in "
    "OUT/derivatives/truth. What is not given on the command line is as the preset says; every number drawn is written "
    "beside the truth."
)
PLANES = ("ax", "cor", "sag")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command; echo times in milliseconds here, in seconds everywhere else."""
    parser.formatter_class = argparse.HelpFormatter
    add = parser.add_argument
    add("out", type=Path, metavar="OUT", help="folder to write; must be absent or empty")
    add(
        "--preset", default="demo", metavar="NAME", help="a preset (see --list-presets) or a .toml file (default: demo)"
    )
    add("--list-presets", action=_ListPresets, nargs=0, help="print the presets and what is in them")
    add("--seed", type=int, default=1, help="of the first subject; the next ones count up (default: 1)")
    add("--subjects", type=int, default=1, metavar="N", help="number of subjects, sub-sim01 and on (default: 1)")
    add("--te", type=float, nargs="+", metavar="MS", help="echo times in milliseconds")
    stacks = parser.add_mutually_exclusive_group()
    stacks.add_argument(
        "--stacks", type=int, metavar="N", help="stacks per echo time: axial, coronal, sagittal, axial, ..."
    )
    stacks.add_argument("--planes", nargs="+", metavar="PLANE", help="one stack per echo time and entry")
    add("--age", type=float, metavar="WEEKS", help="gestational age (the demo keeps its small brain)")
    add("--field", type=float, metavar="TESLA", help="field strength")
    add("--resolution", type=float, metavar="MM", help="in-plane pixel size")
    add("--thickness", type=float, metavar="MM", help="slice thickness; the slice spacing follows")
    add("--labels", type=Path, metavar="NIFTI", help="anatomy: a label map of your own; needs --lut")
    add("--lut", type=Path, metavar="TSV", help="columns index and tissue: which tissue each label of --labels is")
    add("--motion", metavar="LEVEL", help="none, mild, moderate, severe, or fabian-slight, -moderate, -strong")
    add("--motion-file", type=Path, metavar="NPZ", help="recorded trajectories in place of a level")
    add("--motion-scale", type=float, metavar="FACTOR", help="multiplies all motion")
    add("--snr", type=float, help="of white matter at the shortest echo time; inf for no noise")
    add("--truth-resolution", type=float, metavar="MM", help="voxel size of the truth")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="any option of the simulator, in its own unit")


def run(arguments: argparse.Namespace) -> int:
    """Simulate and write subject by subject."""
    from fetalt2prep.cli.progress_bar import ProgressBar
    from fetalt2prep.sim.bids_writer import write_case
    from fetalt2prep.sim.case import simulate_case

    out: Path = arguments.out
    options = options_of(arguments)
    if arguments.subjects < 1:
        raise ValueError(f"--subjects is {arguments.subjects}; at least 1 is needed.")
    if arguments.seed < 0:
        raise ValueError(f"--seed is {arguments.seed}; it must be 0 or more.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out}: not an empty folder; name a new one, nothing is overwritten.")
    for k in range(arguments.subjects):
        subject = f"sim{k + 1:02d}"
        with ProgressBar() as bar:
            case = simulate_case(
                options, arguments.seed + k, on_step=lambda what, *at, s=subject: bar(f"{s}, {what}", *at)
            )
        try:
            write_case(case, out, subject)
        except OSError as error:
            raise OSError(f"{out}: cannot be written: {error}; name another folder.") from error
        sys.stdout.write(f"{out}/sub-{subject}: {len(case.stacks)} stacks, seed {arguments.seed + k}\n")
    return 0


def options_of(arguments: argparse.Namespace) -> CaseOptions:
    """Preset with what the command line changes; raises ValueError with the way out."""
    from fetalt2prep.sim.preset import read_preset

    if arguments.stacks is not None and arguments.stacks < 1:
        raise ValueError(f"--stacks is {arguments.stacks}; at least 1 per echo time is needed.")
    planes = arguments.planes
    if arguments.stacks is not None:
        planes = [PLANES[k % len(PLANES)] for k in range(arguments.stacks)]
    changes: dict[str, object] = {
        "gestational_age_weeks": arguments.age,
        "field_t": arguments.field,
        "in_plane_mm": arguments.resolution,
        "thickness_mm": arguments.thickness,
        "spacing_mm": arguments.thickness,
        "labels_file": None if arguments.labels is None else str(arguments.labels),
        "labels_lut": None if arguments.lut is None else str(arguments.lut),
        "motion": arguments.motion,
        "motion_file": None if arguments.motion_file is None else str(arguments.motion_file),
        "motion_scale": arguments.motion_scale,
        "snr": arguments.snr,
        "truth_mm": arguments.truth_resolution,
        "planes": planes,
        "te_s": None if arguments.te is None else [te_ms / 1000.0 for te_ms in arguments.te],
    }
    given = {name: value for name, value in changes.items() if value is not None}
    return read_preset(arguments.preset, given | dict(_assignment(text) for text in arguments.set))


def _assignment(text: str) -> tuple[str, object]:
    """NAME=VALUE, the value as TOML writes it; what is not TOML is text."""
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise ValueError(f"--set {text!r}: write NAME=VALUE, e.g. void_probability=0.1.")
    try:
        return name, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name, value


class _ListPresets(argparse.Action):
    """Print the presets and leave."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from fetalt2prep.sim.preset import PRESETS, preset_names

        for name in preset_names():
            sys.stdout.write(f"{name}\n" + PRESETS.joinpath(f"{name}.toml").read_text("utf-8") + "\n")
        parser.exit()
