"""``fetalt2 kt-recon RAW OUT --frames 20``: an image series from undersampled raw data of a moving slice."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

METHODS = ("inr", "adjoint", "cg-sense", "grasp", "l+s")
DESCRIPTION = (
    "Reconstruct an image series from undersampled dynamic raw data: radial (golden angle when the file has no "
    "trajectory) or Cartesian, one slice or several, by a field of space and time that is fitted to these data alone "
    "(inr), or by a classical method. Writes NAME_series.nii.gz (magnitude), .json (what was done, losses) and .html "
    "(movie, profile over time) into OUT."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add = parser.add_argument
    parser.formatter_class = argparse.HelpFormatter
    add("raw", type=Path, metavar="RAW", help="ISMRMRD (.h5, .hdf5, .mrd) or NumPy (.npz) file")
    add("out", type=Path, metavar="OUT", help="folder to write; made when it is not there")
    add("--frames", type=int, metavar="N", help="frames of each slice (default: as the scanner counted)")
    add("--readouts", type=int, metavar="N", help="spokes or lines of a frame, in place of --frames")
    add("--method", choices=METHODS, default="inr", help="(default: inr)")
    add("--field", choices=("grid", "hash", "siren"), default="grid", help="kind of field (default: grid)")
    add("--interpolate-time", type=int, default=1, metavar="K", help="frames given for each measured one (inr)")
    add("--fit-readouts", type=int, metavar="N", help="readouts that share a time in the fit (default: a frame's; inr)")
    add("--temporal-tv", type=float, metavar="W", help="weight of variation over time (default: 0.015; inr)")
    add("--low-rank", type=float, metavar="W", help="weight of low rank over time (default: 0.0003; inr)")
    add(
        "--data-term", choices=("plain", "relative"), default="plain", help="error of the samples (default: plain; inr)"
    )
    add("--slice", type=int, nargs="+", metavar="S", help="slices, by the scanner's number (default: all)")
    add("--coils", type=int, metavar="N", help="compress to so many virtual coils (default: no compression)")
    add("--steps", type=int, metavar="N", help="steps of the fit (default: 200), or of the other methods (30)")
    add("--seed", type=int, default=0, metavar="N", help="of the field's start (default: 0)")
    add("--frames-at-once", type=int, default=0, metavar="N", help="saves memory; the result is the same (0: all)")
    add("--phase", action="store_true", help="write NAME_phase.nii.gz too, radians")
    add("--stacks", action="store_true", help="write each frame as a stack with slice times, for the reconstruction")
    add("--device", choices=("cpu", "cuda"), default="cpu", help="(default: cpu)")
    add("--force", action="store_true", help="replace files that are there")


def run(arguments: argparse.Namespace) -> int:
    """Reconstruct, write, print the files."""
    from fetalt2prep.cli.paths import need_files, refuse_to_replace
    from fetalt2prep.cli.progress_bar import ProgressBar
    from fetalt2prep.core.kt.options import KtOptions
    from fetalt2prep.core.kt.recon import KtPlan
    from fetalt2prep.io.kt_scan import KtRequest, reconstruct_scan

    a = arguments
    raw: Path = a.raw
    need_files(raw)
    refuse_to_replace([a.out / f"{raw.name.split('.')[0]}_series.nii.gz"], force=a.force, another="folder")
    if a.device == "cuda":
        _need_cuda()
    steps = {} if a.steps is None else {"n_steps": a.steps}
    weights = {name: getattr(a, name) for name in ("temporal_tv", "low_rank") if getattr(a, name) is not None}
    inr = KtOptions(
        field=a.field,
        data_term=a.data_term,
        seed=a.seed,
        frames_at_once=a.frames_at_once,
        **weights,
        **(steps if a.method == "inr" else {}),
    )
    plan = KtPlan(
        method=a.method,
        n_coils=a.coils,
        interpolate_time=a.interpolate_time,
        inr=inr,
        **(steps if a.method != "inr" else {}),
    )
    request = KtRequest(
        n_frames=a.frames,
        per_frame=a.readouts,
        fit_readouts=a.fit_readouts,
        slices=None if a.slice is None else tuple(a.slice),
        phase=a.phase,
        stacks=a.stacks,
        device=a.device,
    )
    n_steps = inr.n_steps if a.method == "inr" else plan.n_steps
    with ProgressBar() as bar:
        written = reconstruct_scan(
            raw, a.out, plan, request, on_slice=bar.line, on_step=lambda what, i, _: bar(what, i, n_steps)
        )
    sys.stderr.write("".join(f"note: {note}\n" for note in written.notes))
    files = [written.series, written.phase, written.account, written.report, *written.stacks]
    sys.stdout.write("".join(f"{path}\n" for path in files if path is not None))
    return 0


def _need_cuda() -> None:
    import torch

    if not torch.cuda.is_available():
        raise ValueError("--device cuda: no CUDA device is to be seen; use --device cpu.")
