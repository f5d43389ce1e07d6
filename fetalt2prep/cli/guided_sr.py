"""``fetalt2 guided-sr --t2map T2 --s0map S0 --guide T2W --guide-te 0.1 OUT``: finer maps by weighted images."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fetalt2prep.core.guided.options import METHODS, USES, GuidedOptions

if TYPE_CHECKING:
    from fetalt2prep.io.guided_request import GuideFile

KINDS = ("se", "ir", "spgr", "mprage")
PARAMETERS = {
    "te": ("te_s", "S", "echo time, SECONDS"),
    "tr": ("tr_s", "S", "repetition time, seconds; of mprage: between inversions"),
    "ti": ("ti_s", "S", "inversion time, seconds"),
    "flip": ("flip_deg", "DEG", "flip angle, degrees"),
    "spacing": ("spacing_s", "S", "between the pulses of mprage's train, seconds"),
    "pulses": ("n_pulses", "N", "pulses of mprage's train"),
}
DESCRIPTION = (
    "Refine coarse quantitative maps of one subject with finer weighted images of the same anatomy. Guides are "
    "registered to the maps, their gain is found where they show the same as the maps, and where they do not, the "
    "maps are not changed by them. Writes T2map.nii.gz (s), S0map.nii.gz, T1map.nii.gz (s) with --t1map, "
    "mismatch.nii.gz (0: guide and maps agree, 1: they do not), the guides on the fine grid, and guided.json, which "
    "says what was chosen and why."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.formatter_class = argparse.HelpFormatter
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write; made when it is not there")
    _add_maps(parser.add_argument_group("coarse maps"))
    _add_guides(parser.add_argument_group("guides; lists are in the order of the guides, - for what is not known"))
    _add_fit(parser.add_argument_group("result"))


def _add_maps(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--t2map", type=Path, required=True, metavar="NIFTI", help="T2 in seconds")
    add("--s0map", type=Path, required=True, metavar="NIFTI", help="signal at echo time zero, or proton density")
    add("--t1map", type=Path, metavar="NIFTI", help="T1 in seconds; guides whose contrast is T1 need it")
    add("--mask", type=Path, metavar="NIFTI", help="where maps are wanted (default: where the maps have a value)")
    add(
        "--te", type=float, nargs="+", default=[], metavar="S",
        help="echo times from which T2 was fitted, seconds: coarse signals are then compared, not coarse maps "
        "(default: EchoTime in the sidecar of the T2 map, when it is a list)",
    )  # fmt: skip
    add("--error", type=float, default=0.02, metavar="SHARE", help="relative error of the maps (default: 0.02)")


def _add_guides(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--guide", type=Path, nargs="+", required=True, metavar="NIFTI", help="weighted images, finer than the maps")
    add(
        "--guide-kind", nargs="+", choices=KINDS, default=["se"], metavar="KIND",
        help="se: spin echo, also fast; ir: inversion recovery, also FLAIR; spgr; mprage; one for all, or one for each "
        "(default: se)",
    )  # fmt: skip
    for option, (_, metavar, what) in PARAMETERS.items():
        add(
            f"--guide-{option}", type=_number, nargs="+", default=[], metavar=metavar, help=f"{what} (default: sidecar)"
        )
    add("--same-scale", action="store_true", help="nothing rescaled the guides relative to the S0 map")
    add("--no-register", action="store_true", help="the guides lie where their headers say")


def _add_fit(group: argparse._ArgumentGroup) -> None:
    options, add = GuidedOptions(), group.add_argument
    add(
        "--method", choices=METHODS, default="fit",
        help="fit: to this subject; network: trained on simulated heads, faster; needs --t1map and one guide or one of "
        "each contrast, and knows no --te, --error, --same-scale, --edges, --steps (default: fit)",
    )  # fmt: skip
    add("--weights", type=Path, metavar="FILE", help="of train-guided, for network (default: the package's)")
    add("--voxel", type=float, metavar="MM", help="isotropic voxels of the result (default: those of the finest guide)")
    add(
        "--use", choices=USES, default=options.use,
        help="signal: the guides' values are data; edges: only where they change counts; auto: as far as their gain "
        f"can be known (default: {options.use})",
    )  # fmt: skip
    add(
        "--edges",
        type=float,
        default=options.edges,
        metavar="W",
        help=f"weight of the edges (default: {options.edges:g})",
    )
    add("--steps", type=int, default=options.n_steps, metavar="N", help=f"of the fit (default: {options.n_steps})")
    add("--force", action="store_true", help="replace files that are there")


def run(arguments: argparse.Namespace) -> int:
    """Read, refine, write, say what was chosen."""
    from fetalt2prep.cli.paths import refuse_to_replace
    from fetalt2prep.cli.progress_bar import ProgressBar
    from fetalt2prep.io.guided_files import refine_files
    from fetalt2prep.io.guided_request import GuidedRequest

    a = arguments
    refuse_to_replace([a.out / "T2map.nii.gz"], force=a.force, another="folder")
    request = GuidedRequest(
        t2map=a.t2map,
        s0map=a.s0map,
        t1map=a.t1map,
        mask=a.mask,
        guides=_guides(a),
        te_s=_echo_times(a),
        error=a.error,
        voxel_mm=a.voxel,
        register=not a.no_register,
        options=GuidedOptions(use=a.use, edges=a.edges, n_steps=a.steps),
        method=a.method,
        weights=a.weights,
    )
    with ProgressBar() as bar:
        written = refine_files(request, a.out, lambda what, step, n_steps, _: bar(what, step, n_steps))
    for row in written.account["guides"]:
        sys.stdout.write(f"{row['file']}: {row['why']}; {_registration(row['registration'])}.\n")
    if weights := written.account.get("weights"):
        sys.stdout.write(f"Refined by the network of {weights['file']}. {weights['limits']}\n")
    share = 100 * written.account["mismatch"]["share_above_half"]
    sys.stdout.write(f"Guides and maps disagree in {share:.1f} % of the voxels.\nWritten: {a.out}\n")
    return 0


def _registration(account: object) -> str:
    if not isinstance(account, dict):
        return "not registered, as asked"
    moved = f"{account['moved_mm']:.1f} mm and {account['turned_deg']:.1f} degrees"
    return f"moved by {moved}" if account["taken"] else f"registration not taken ({account['why']})"


def _guides(a: argparse.Namespace) -> list[GuideFile]:
    from fetalt2prep.io.guide_sequence import guide_sequence
    from fetalt2prep.io.guided_request import GuideFile

    n = len(a.guide)
    if len(a.guide_kind) not in (1, n):
        raise ValueError(f"--guide-kind names {len(a.guide_kind)} kinds for {n} guide(s); give one, or one for each.")
    kinds = a.guide_kind if len(a.guide_kind) == n else a.guide_kind * n
    lists: dict[str, list[float | None]] = {}
    for option, (name, _, _) in PARAMETERS.items():
        values = [None if math.isnan(v) else v for v in getattr(a, f"guide_{option}")]
        if len(values) not in (0, n):
            raise ValueError(
                f"--guide-{option} gives {len(values)} value(s) for {n} guide(s); give one for each, or -."
            )
        lists[name] = values or [None] * n
    return [
        GuideFile(
            path=path,
            model=guide_sequence(path, kind, {name: values[k] for name, values in lists.items()}),
            same_scale=a.same_scale,
        )
        for k, (path, kind) in enumerate(zip(a.guide, kinds, strict=True))
    ]


def _echo_times(a: argparse.Namespace) -> tuple[float, ...]:
    from fetalt2prep.io.sidecar import echo_time_s, read_sidecar

    if a.te:
        return _given_times(a.te)
    if a.t1map is not None:
        return ()  # a spin echo of the maps' own is not what they were fitted to
    listed = read_sidecar(a.t2map).get("EchoTime", [])
    times = tuple(echo_time_s({"EchoTime": te}, a.t2map.name) for te in listed) if isinstance(listed, list) else ()
    return times if len(set(times)) > 1 else ()


def _given_times(te_s: list[float]) -> tuple[float, ...]:
    from fetalt2prep.io.sidecar import MAX_TE_S

    if len(set(te_s)) < 2:
        raise ValueError(f"--te gives {te_s[0]:g} alone; T2 was fitted to two echo times or more: give all of them.")
    for te in te_s:
        if not 0 < te < MAX_TE_S:
            raise ValueError(f"--te gives {te:g}; seconds above 0 and below {MAX_TE_S:g} are wanted, such as 0.1.")
    return tuple(te_s)


def _number(text: str) -> float:
    """A number; ``-`` is not known."""
    try:
        return math.nan if text == "-" else float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number; write - for what is not known.") from error
