"""The command line. Nothing heavy is imported here: ``--help`` answers at once.

The ``dest`` of every option is the place of its value in :class:`bids_app.options.Options`, such as ``recon.model``:
the same name as in the TOML file, so that a file can give the defaults of the command line.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bids_app import options as choices
from bids_app.config_file import build_options, places, read_values
from bids_app.limits import default_nprocs
from bids_app.options import OptionError, Options, made_sloppy
from bids_app.values import (
    DERIVATIVES,
    device,
    folder,
    further_resolutions,
    guide,
    label,
    memory,
    named_folder,
    positive,
    selection,
)
from fetalt2prep import __version__
from fetalt2prep.core.bias.options import BIASES
from fetalt2prep.core.denoise.options import DEFAULT_DENOISER, DENOISERS
from fetalt2prep.core.recon.options import COIL_FIELDS, FIELDS, MODELS, MOTIONS, PROFILES, ReconOptions
from fetalt2prep.core.t2.options import MODELS as T2_MODELS
from fetalt2prep.core.t2.options import T2Options

MAX_OMP_THREADS = 8

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


class Gather(argparse.Action):
    """One value or more, also in several places: ``-d masks=A -d recon=B`` is ``-d masks=A recon=B``."""

    def __init__(self, option_strings: Sequence[str], dest: str, **kwargs: Any) -> None:
        super().__init__(option_strings, dest, nargs="+", **kwargs)

    def __call__(self, parser, namespace, values, option_string=None):  # type: ignore[no-untyped-def]
        """Put the values behind those of the same command line; the default is replaced."""
        before = getattr(namespace, self.dest, self.default)
        setattr(namespace, self.dest, [*([] if before is self.default else before), *values])


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
    parser.add_argument(
        "analysis_level", choices=choices.LEVELS,
        help="participant: T2 maps of each session; group: tables and a page over all sessions in OUTPUT_DIR",
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"fetalt2prep {__version__}")
    _add_inputs(parser.add_argument_group("inputs"))
    _add_extent(parser.add_argument_group("what is computed and stored"))
    _add_steps(parser.add_argument_group("masks, choice of stacks, denoising, bias and reconstruction"))
    _add_t2(parser.add_argument_group("T2 fit"))
    _add_resources(parser.add_argument_group("resources"))
    _add_running(parser.add_argument_group("running"))
    _add_instead(parser.add_argument_group("instead of a run"))
    return parser


def _add_inputs(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--participant-label", dest="participants", action=Gather, default=[], metavar="LABEL", type=label("sub"),
        help="participants to process, with or without 'sub-' (none given: all)",
    )  # fmt: skip
    group.add_argument(
        "--session-label", "--session-id", dest="sessions", action=Gather, default=[], metavar="LABEL",
        type=label("ses"),
        help="sessions to process, with or without 'ses-' (none given: all); sessions are never pooled",
    )  # fmt: skip
    group.add_argument(
        "--bids-filter-file", dest="filter_file", metavar="FILE", type=folder, default=None,
        help='JSON file: entities that images must have, e.g. {"t2w": {"acquisition": "haste", "reconstruction": '
        'null}}; null: absent, "*": any value, a list: one of them. Queries: t2w, mese, mask',
    )  # fmt: skip
    group.add_argument(
        "--bids-database-dir", dest="database_dir", metavar="DIR", type=folder, default=None,
        help="folder of an index of the data set: made when it is not there or the data set changed, else reused",
    )  # fmt: skip
    group.add_argument(
        "--skip-bids-validation", dest="run.skip_bids_validation", action="store_true",
        help="do not run the BIDS validator beside the work; its errors are only reported, they stop nothing",
    )  # fmt: skip
    group.add_argument(
        "-d", "--derivatives", action=Gather, default=[], metavar="NAME=PATH", type=named_folder,
        help="derivatives to use; masks=PATH: a brain mask for every stack (none given: masks are estimated); "
        "segmentation=PATH: a _dseg for every session, in the space of the reconstruction (none given: regions are "
        "classes of T2); recon=PATH: reconstructed echoes, only T2 is computed",
    )  # fmt: skip
    group.add_argument(
        "--ignore", action=Gather, default=[], choices=choices.IGNORABLE,
        help="metadata not to use: times of slices; slice thickness (the distance between slices is taken)",
    )  # fmt: skip
    group.add_argument(
        "--force", action=Gather, default=[], choices=choices.FORCIBLE,
        help="missing-masks: estimate the masks that the masks data set lacks, instead of leaving the stacks out",
    )  # fmt: skip


def _add_extent(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--level", choices=choices.OUTPUT_LEVELS, default="full",
        help="minimal: without the stacks as they entered the reconstruction and their masks",
    )  # fmt: skip
    steps = group.add_mutually_exclusive_group()
    steps.add_argument(
        "--masks-only", dest="steps", action="store_const", const="masks", default=argparse.SUPPRESS,
        help="stop after the brain masks; correct them and give them back with -d masks=OUTPUT_DIR",
    )  # fmt: skip
    steps.add_argument(
        "--recon-only", dest="steps", action="store_const", const="recon", default=argparse.SUPPRESS,
        help="stop after the reconstruction, without T2",
    )  # fmt: skip
    group.add_argument(
        "--sloppy",
        action="store_true",
        help="coarse grid, no denoising, no bias correction: to try things out, never for results",
    )


def _add_steps(group: argparse._ArgumentGroup) -> None:
    recon = ReconOptions()
    group.add_argument(
        "--mask-method", choices=choices.MASK_METHODS, default="network",
        help="how the brain is looked for in stacks without a given mask; network: by the network, and where it is not "
        "sure, by the classical method; classical: by thresholds and shapes alone",
    )  # fmt: skip
    group.add_argument(
        "--mask-model", metavar="FILE", type=folder, default=None,
        help="another network than the package's: .safetensors of fetalt2 train-mask, TorchScript or ONNX",
    )  # fmt: skip
    group.add_argument(
        "--select", type=selection, default="auto", metavar="{auto,all,FILE}",
        help="stacks to use; auto: without those that are clearly broken; all: all that have a mask; a table with the "
        "columns stack, use (true or false) and reason, such as *_desc-quality_stats.tsv: as it says",
    )  # fmt: skip
    group.add_argument(
        "--mask-consensus", choices=choices.SWITCH, default="off",
        help="on: replace the mask of each stack by what the masks of all stacks agree on",
    )  # fmt: skip
    group.add_argument(
        "--denoise", choices=list(DENOISERS), default=DEFAULT_DENOISER,
        help="; ".join(f"{name}: {what}" for name, what in DENOISERS.items() if name != "none"),
    )  # fmt: skip
    group.add_argument(
        "--bias", choices=list(BIASES), default="n4",
        help="divide all stacks by one smooth field of the receive coils, the same at every echo time (n4), or not",
    )  # fmt: skip
    group.add_argument(
        "--recon-model", dest="recon.model", choices=MODELS, default=recon.model,
        help="sc: each echo by itself; mc: one shared field; mcreg: mc with the decay penalty; "
        "decay: the field gives S0 and R2 and the echoes follow exactly; bridge: decay with a small departure per echo",
    )  # fmt: skip
    group.add_argument(
        "--recon-field", dest="recon.field", choices=FIELDS, default=recon.field,
        help="multi-resolution grid encoding, the same by hash tables, sinusoidal network of the published size, or "
        "a small one",
    )  # fmt: skip
    group.add_argument(
        "--recon-motion", dest="recon.motion", choices=MOTIONS, default=recon.motion,
        help="free: six parameters per slice; siren: a small network of the slice's number gives them, as published",
    )  # fmt: skip
    group.add_argument(
        "--recon-profile", dest="recon.profile", choices=PROFILES, default=recon.profile,
        help="profile of a slice along its normal: a box of its thickness with rounded edges, or a Gaussian",
    )  # fmt: skip
    group.add_argument(
        "--recon-coil-field", dest="recon.coil_field", choices=COIL_FIELDS, default=recon.coil_field,
        help="fit a smooth factor that stays in the scanner while the head moves, the same at all echo times",
    )  # fmt: skip
    group.add_argument(
        "--recon-resolution", "--output-resolution", dest="resolutions_mm", type=float, action=Gather, metavar="MM",
        default=argparse.SUPPRESS,
        help="isotropic voxel size of the reconstruction, mm; at further ones the same fit is sampled (default: "
        f"{recon.resolution_mm:g})",
    )  # fmt: skip
    group.add_argument(
        "--recon-save-field", dest="save_field", action="store_true",
        help="store the fitted field, which fetalt2 sample-field turns into volumes of any resolution and orientation",
    )  # fmt: skip
    group.add_argument(
        "--recon-alpha", dest="recon.alpha", type=float, default=recon.alpha, metavar="WEIGHT",
        help="weight of the decay penalty of mcreg and bridge (None: the documented rule)",
    )  # fmt: skip
    group.add_argument(
        "--random-seed", dest="recon.seed", type=int, default=recon.seed, metavar="SEED",
        help="seed of the reconstruction; the same seed gives the same result on the same machine",
    )  # fmt: skip


def _add_t2(group: argparse._ArgumentGroup) -> None:
    t2 = T2Options()
    group.add_argument(
        "--t2-model", dest="t2.model", choices=T2_MODELS, default=t2.model,
        help="weighted, loglinear: least squares on the logarithm; nlls: on the signal; rician: magnitudes near the "
        "noise floor; epg, epg-b1: fast spin echo with stimulated echoes, B1 taken as 1 or fitted",
    )  # fmt: skip
    group.add_argument(
        "--t2-bounds", dest="t2.t2_bounds_s", type=float, nargs=2, default=list(t2.t2_bounds_s),
        metavar=("LOW", "HIGH"), help="bounds of T2, seconds; a T2 at or beyond them is no answer",
    )  # fmt: skip
    group.add_argument(
        "--t2-noise-floor", dest="t2.noise_floor", type=float, default=t2.noise_floor, metavar="N",
        help="reconstructed echoes at or below N times their standard error are left out, voxel by voxel; with fewer "
        "than two echoes left there is no T2",
    )  # fmt: skip
    group.add_argument(
        "--t2-echo-spacing", dest="t2.echo_spacing_s", type=float, default=t2.echo_spacing_s, metavar="S",
        help="between the echoes of the train, seconds; epg needs it, and the bias budget uses it",
    )  # fmt: skip
    group.add_argument(
        "--t2-refocusing", dest="t2.refocusing_deg", type=float, default=t2.refocusing_deg, metavar="DEG",
        help="nominal refocusing angle; epg needs it, and the bias budget uses it (None: FlipAngle of the sidecars "
        "where it can be that, else a range)",
    )  # fmt: skip
    group.add_argument(
        "--guide", type=guide, action=Gather, default=["none"], metavar="{none,auto,FILE}",
        help="weighted images that refine the T2 map (desc-guided); auto: stacks of a clinical scan that share one "
        "echo time of their own are reconstructed by themselves and guide; FILE ...: T2-weighted volumes with EchoTime "
        "in their sidecars, named after their session",
    )  # fmt: skip


def _add_resources(group: argparse._ArgumentGroup) -> None:
    n_cpus = default_nprocs()
    group.add_argument(
        "--device", dest="recon.device", type=device, default="auto", metavar="{auto,cpu,cuda[:n]}",
        help="where the reconstruction runs; auto: the GPU when there is one",
    )  # fmt: skip
    group.add_argument(
        "--nprocs", "--nthreads", "--n-cpus", dest="run.nprocs", type=positive, default=n_cpus, metavar="N",
        help="CPU cores for the whole run; the default is what affinity, container and batch job allow",
    )  # fmt: skip
    group.add_argument(
        "--omp-nthreads", dest="run.omp_nthreads", type=positive, default=min(n_cpus, MAX_OMP_THREADS), metavar="N",
        help="CPU threads of one step, at most --nprocs",
    )  # fmt: skip
    group.add_argument(
        "--mem-mb", "--mem", dest="run.mem_mb", type=memory, default=None, metavar="MB",
        help="memory for the whole run, MB, or with K, M, G, T; sessions run side by side only as far as it allows "
        "(None: 90 %% of what machine, container and batch job have)",
    )  # fmt: skip
    group.add_argument(
        "--low-mem", dest="run.low_mem", action="store_true", help="one session after the other, whatever the memory"
    )
    group.add_argument(
        "--use-plugin", dest="run.use_plugin", metavar="FILE", type=folder, default=None,
        help="YAML or TOML file with Nipype's plugin and plugin_args, to send steps to SLURM, SGE, PBS, LSF or Condor",
    )  # fmt: skip
    group.add_argument(
        "--resource-monitor", dest="run.resource_monitor", action="store_true",
        help="record memory and CPU of each step while it runs (needs the package psutil)",
    )  # fmt: skip


def _add_running(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-w", "--work-dir", dest="run.work_dir", type=folder, default=Path("work"), metavar="DIR",
        help="intermediate results; keep it to resume",
    )  # fmt: skip
    group.add_argument(
        "--clean-workdir", dest="run.clean_workdir", action="store_true",
        help="remove what an earlier run left in the work folder for these sessions, and begin anew",
    )  # fmt: skip
    group.add_argument(
        "--config-file", type=folder, default=None, metavar="FILE",
        help="TOML file with options, such as a run writes into its log folder; the command line wins",
    )  # fmt: skip
    group.add_argument(
        "--stop-on-first-crash", dest="run.stop_on_first_crash", action="store_true",
        help="stop when the first participant fails",
    )  # fmt: skip
    group.add_argument(
        "--write-graph", dest="run.write_graph", action="store_true",
        help="draw the workflow of each session into its log folder (DOT; SVG too where Graphviz is installed)",
    )  # fmt: skip
    group.add_argument(
        "--single-file", dest="run.single_file", action="store_true",
        help="reports hold their pictures: one HTML file each, to be handed on by itself",
    )  # fmt: skip
    group.add_argument(
        "--no-viewer", dest="run.no_viewer", action="store_true",
        help="reports without the interactive viewer and its volumes, a few megabytes smaller",
    )  # fmt: skip
    group.add_argument(
        "--md-only-boilerplate", dest="run.md_only_boilerplate", action="store_true",
        help="methods text as Markdown only, without HTML, TeX and BibTeX",
    )  # fmt: skip
    group.add_argument(
        "--notrack", action="store_true", help="accepted for scripts of other apps; nothing is ever tracked"
    )
    group.add_argument(
        "-v", "--verbose", dest="run.verbose", action="count", default=0,
        help="say more; -vv shows Nipype's own messages too",
    )  # fmt: skip


def _add_instead(group: argparse._ArgumentGroup) -> None:
    instead = group.add_mutually_exclusive_group()
    instead.add_argument(
        "--dry-run", dest="run.dry_run", action="store_true",
        help="only print what would be done: sessions, stacks, echo times, memory, time; writes nothing, but an index "
        "where --bids-database-dir asks for one",
    )  # fmt: skip
    instead.add_argument(
        "--reports-only", dest="run.reports_only", action="store_true",
        help="only write the reports again, from the derivatives there are",
    )  # fmt: skip
    instead.add_argument(
        "--boilerplate-only", dest="run.boilerplate_only", action="store_true",
        help="only write the methods text and its references",
    )  # fmt: skip


def parse_args(argv: Sequence[str]) -> Options:
    """Read the command line; leaves with code 2 when it, or the file it names, is wrong; 0 after help and version."""
    parser = build_parser()
    first = DashParser(prog="fetalt2prep", add_help=False, allow_abbrev=False)
    first.add_argument("--config-file", type=folder)
    try:
        known, _ = first.parse_known_args(list(argv))  # type: ignore[no-untyped-call]
        if file := known.config_file:
            parser.set_defaults(**read_values(file))
        return _options(vars(parser.parse_args(list(argv))))
    except (argparse.ArgumentTypeError, ValueError) as error:
        parser.error(str(error))


def _options(values: dict[str, Any]) -> Options:
    """Options from what argparse found."""
    given = {place: value for place, value in values.items() if place in places()}
    given |= {DERIVATIVES[name]: path for name, path in values["derivatives"]}
    if spacings_mm := values.get("resolutions_mm"):
        given |= {"recon.resolution_mm": spacings_mm[0], "sample_mm": further_resolutions(spacings_mm)}
    for place in ("participants", "sessions", "ignore", "force"):
        given[place] = tuple(dict.fromkeys(given[place]))
    given["t2.t2_bounds_s"] = tuple(given["t2.t2_bounds_s"])
    given["select"] = selection(given["select"])
    given["guide"] = tuple(guide(text) for text in given["guide"])
    device(given["recon.device"])  # argparse does not look at what comes from a file
    given["run.work_dir"] = given["run.work_dir"].absolute()
    given["run.omp_nthreads"] = min(given["run.omp_nthreads"], given["run.nprocs"])
    found = build_options(given)
    instead = {"--dry-run": found.run.dry_run, "--reports-only": found.run.reports_only}
    instead |= {"--boilerplate-only": found.run.boilerplate_only}
    if found.analysis_level == "group" and any(instead.values()):
        name = next(name for name, asked in instead.items() if asked)
        raise OptionError(f"{name} belongs to the participant level.")
    if found.steps == "masks" and found.reconstructions:
        raise OptionError("--masks-only makes no sense with -d recon=PATH, which begins after the masks.")
    return made_sloppy(found) if found.sloppy else found
