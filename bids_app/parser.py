"""The command line. Nothing heavy is imported here: ``--help`` answers at once."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path

from bids_app.options import Options, RunOptions
from fetalt2prep import __version__
from fetalt2prep.core.recon.options import FIELDS, MODELS, MOTIONS, PROFILES, ReconOptions
from fetalt2prep.core.t2.options import MODELS as T2_MODELS
from fetalt2prep.core.t2.options import T2Options

DENOISERS = ("nlm", "none")
DERIVATIVES = ("masks", "segmentation")

DESCRIPTION = "T2 maps of the fetal brain from stacks of 2D slices acquired at several echo times."
EPILOG = (
    "The exit code is 0 when every participant was processed from all of its stacks, 1 when a participant failed or a "
    "stack could not be used (what could be computed is written all the same), 2 when the command line is wrong. "
    "Running the same command again with the same --work-dir resumes. For research only, not for diagnosis."
)


class DashParser(argparse.ArgumentParser):
    """Accepts ``--participant_label`` for ``--participant-label``, for every long option."""

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """Parse after the underscores in the names of long options, not in their values, became dashes."""
        args = [with_dashes(arg) for arg in (args or [])]
        return super().parse_known_args(args, namespace)


def with_dashes(arg: str) -> str:
    """``--work_dir=a_b`` -> ``--work-dir=a_b``; anything that is not a long option is returned as it is."""
    if not arg.startswith("--"):
        return arg
    name, equals, value = arg.partition("=")
    return name.replace("_", "-") + equals + value


def build_parser() -> argparse.ArgumentParser:
    """The argument parser, option groups in the order of the steps."""
    parser = DashParser(
        prog="fetalt2prep",
        description=DESCRIPTION,
        epilog=EPILOG,
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("bids_dir", type=folder, help="raw BIDS data set")
    parser.add_argument(
        "output_dir", type=folder, help="derivatives data set to write, e.g. BIDS_DIR/derivatives/fetalt2prep"
    )
    parser.add_argument("analysis_level", choices=["participant"], help="level of the analysis")
    parser.add_argument("--version", action="version", version=f"fetalt2prep {__version__}")
    _add_inputs(parser.add_argument_group("inputs"))
    _add_steps(parser.add_argument_group("denoising and reconstruction"))
    _add_t2(parser.add_argument_group("T2 fit"))
    _add_running(parser.add_argument_group("running"))
    return parser


def _add_inputs(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--participant-label", nargs="+", default=[], metavar="LABEL", type=label("sub"),
        help="participants to process, with or without 'sub-' (none given: all)",
    )  # fmt: skip
    group.add_argument(
        "--session-label", nargs="+", default=[], metavar="LABEL", type=label("ses"),
        help="sessions to process, with or without 'ses-' (none given: all); sessions are never pooled",
    )  # fmt: skip
    group.add_argument(
        "-d", "--derivatives", nargs="+", default=[], metavar="NAME=PATH", type=named_folder,
        help="derivatives to use; masks=PATH holds a desc-brain_mask for every stack (none given: masks are "
        "estimated); segmentation=PATH holds a _dseg for every session, in the space of the reconstruction (none "
        "given: regions are classes of T2)",
    )  # fmt: skip


def _add_steps(group: argparse._ArgumentGroup) -> None:
    recon = ReconOptions()
    group.add_argument("--denoise", choices=DENOISERS, default="nlm", help="non-local means in each slice, or none")
    group.add_argument(
        "--recon-model", choices=MODELS, default=recon.model,
        help="sc: each echo by itself; mc: one shared field; mcreg: mc with the decay penalty; "
        "decay: the field gives S0 and R2 and the echoes follow exactly; bridge: decay with a small departure per echo",
    )  # fmt: skip
    group.add_argument(
        "--recon-field", choices=FIELDS, default=recon.field,
        help="multi-resolution grid encoding, the same by hash tables, sinusoidal network of the published size, or "
        "a small one",
    )  # fmt: skip
    group.add_argument(
        "--recon-motion", choices=MOTIONS, default=recon.motion,
        help="free: six parameters per slice; siren: a small network of the slice's number gives them, as published",
    )  # fmt: skip
    group.add_argument(
        "--recon-profile", choices=PROFILES, default=recon.profile,
        help="profile of a slice along its normal: a box of its thickness with rounded edges, or a Gaussian",
    )  # fmt: skip
    group.add_argument(
        "--recon-resolution", type=float, nargs="+", default=[recon.resolution_mm], metavar="MM",
        help="isotropic voxel size of the reconstruction, mm; at further ones the same fit is sampled",
    )  # fmt: skip
    group.add_argument(
        "--recon-save-field", action="store_true",
        help="store the fitted field, which fetalt2 sample-field turns into volumes of any resolution and orientation",
    )  # fmt: skip
    group.add_argument(
        "--recon-alpha", type=float, default=recon.alpha, metavar="WEIGHT",
        help="weight of the decay penalty of mcreg and bridge (None: the documented rule)",
    )  # fmt: skip
    group.add_argument(
        "--random-seed", type=int, default=recon.seed, metavar="SEED",
        help="seed of the reconstruction; the same seed gives the same result on the same machine",
    )  # fmt: skip


def _add_t2(group: argparse._ArgumentGroup) -> None:
    t2 = T2Options()
    group.add_argument(
        "--t2-model", choices=T2_MODELS, default=t2.model,
        help="weighted, loglinear: least squares on the logarithm; nlls: on the signal; rician: magnitudes near the "
        "noise floor; epg, epg-b1: fast spin echo with stimulated echoes, B1 taken as 1 or fitted",
    )  # fmt: skip
    group.add_argument(
        "--t2-bounds", type=float, nargs=2, default=list(t2.t2_bounds_s), metavar=("LOW", "HIGH"),
        help="bounds of T2, seconds; a T2 at or beyond them is no answer",
    )  # fmt: skip
    group.add_argument(
        "--t2-noise-floor", type=float, default=t2.noise_floor, metavar="N",
        help="reconstructed echoes at or below N times their standard error are left out, voxel by voxel; with fewer "
        "than two echoes left there is no T2",
    )  # fmt: skip
    group.add_argument(
        "--t2-echo-spacing", type=float, default=t2.echo_spacing_s, metavar="S",
        help="between the echoes of the train, seconds; epg needs it, and the bias budget uses it",
    )  # fmt: skip
    group.add_argument(
        "--t2-refocusing", type=float, default=t2.refocusing_deg, metavar="DEG",
        help="nominal refocusing angle; epg needs it, and the bias budget uses it (None: FlipAngle of the sidecars "
        "where it can be that, else a range)",
    )  # fmt: skip


def _add_running(group: argparse._ArgumentGroup) -> None:
    n_cpus = len(os.sched_getaffinity(0))
    group.add_argument(
        "-w", "--work-dir", type=folder, default=Path("work"), help="intermediate results; keep it to resume"
    )
    group.add_argument(
        "--device", type=device, default="auto", metavar="{auto,cpu,cuda[:n]}",
        help="where the reconstruction runs; auto: the GPU when there is one",
    )  # fmt: skip
    group.add_argument("--nprocs", type=positive, default=n_cpus, metavar="N", help="CPU cores for the whole run")
    group.add_argument(
        "--omp-nthreads", type=positive, default=min(n_cpus, 8), metavar="N",
        help="CPU threads of one step, at most --nprocs",
    )  # fmt: skip
    group.add_argument(
        "--mem-mb", type=positive, default=None, metavar="MB",
        help="memory for the whole run, MB; sessions run side by side only as far as it allows (None: 90 %% "
        "of the machine's)",
    )  # fmt: skip
    group.add_argument("--stop-on-first-crash", action="store_true", help="stop when the first participant fails")
    group.add_argument(
        "--reports-only",
        action="store_true",
        help="only write the reports again, from the derivatives there are",
    )
    group.add_argument(
        "-v", "--verbose", action="count", default=0, help="say more; -vv shows Nipype's own messages too"
    )


def folder(text: str) -> Path:
    """An absolute path, ``~`` expanded, that need not exist yet."""
    return Path(text).expanduser().absolute()


def label(prefix: str):  # type: ignore[no-untyped-def]
    """A reader of BIDS labels that strips ``prefix-``."""

    def read(text: str) -> str:
        value = text.removeprefix(f"{prefix}-")
        if not re.fullmatch(r"[0-9a-zA-Z+]+", value):
            raise argparse.ArgumentTypeError(f"{text!r} is not a BIDS label: letters and digits only.")
        return value

    return read


def named_folder(text: str) -> tuple[str, Path]:
    """``masks=PATH`` -> ``("masks", PATH)``."""
    name, equals, path = text.partition("=")
    if not equals or not path or name not in DERIVATIVES:
        raise argparse.ArgumentTypeError(f"{text!r}: write NAME=PATH, where NAME is one of: {', '.join(DERIVATIVES)}.")
    return name, folder(path)


def device(text: str) -> str:
    """``auto``, ``cpu``, ``cuda`` or ``cuda:n``."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", text):
        raise argparse.ArgumentTypeError(f"{text!r}: choose auto, cpu, cuda or cuda:n.")
    return text


def positive(text: str) -> int:
    """A whole number of at least one."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1.")
    return int(text)


def further_resolutions(spacings_mm: Sequence[float]) -> tuple[float, ...]:
    """All but the first, each once; ValueError for a voxel size that a reconstruction could not have either."""
    for spacing_mm in spacings_mm[1:]:
        ReconOptions(resolution_mm=spacing_mm)
    return tuple(mm for mm in dict.fromkeys(spacings_mm) if mm != spacings_mm[0])


def parse_args(argv: Sequence[str]) -> Options:
    """Read the command line; leaves with code 2 when it is wrong, 0 after help and version."""
    parser = build_parser()
    args = parser.parse_args(list(argv))
    try:
        recon = ReconOptions(
            model=args.recon_model,
            field=args.recon_field,
            motion=args.recon_motion,
            profile=args.recon_profile,
            resolution_mm=args.recon_resolution[0],
            alpha=args.recon_alpha,
            seed=args.random_seed,
            device=args.device,
        )
        t2 = T2Options(
            model=args.t2_model,
            t2_bounds_s=tuple(args.t2_bounds),
            noise_floor=args.t2_noise_floor,
            echo_spacing_s=args.t2_echo_spacing,
            refocusing_deg=args.t2_refocusing,
        )
        sample_mm = further_resolutions(args.recon_resolution)
    except ValueError as error:
        parser.error(str(error))
    return Options(
        bids_dir=args.bids_dir,
        output_dir=args.output_dir,
        participants=tuple(dict.fromkeys(args.participant_label)),
        sessions=tuple(dict.fromkeys(args.session_label)),
        masks=dict(args.derivatives).get("masks"),
        denoise=args.denoise,
        recon=recon,
        t2=t2,
        segmentation=dict(args.derivatives).get("segmentation"),
        sample_mm=sample_mm,
        save_field=args.recon_save_field,
        run=RunOptions(
            work_dir=args.work_dir.absolute(),
            nprocs=args.nprocs,
            omp_nthreads=min(args.omp_nthreads, args.nprocs),
            mem_mb=args.mem_mb,
            stop_on_first_crash=args.stop_on_first_crash,
            reports_only=args.reports_only,
            verbose=args.verbose,
        ),
    )
