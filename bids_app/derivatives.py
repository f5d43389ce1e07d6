"""Which derivatives a session has, under which entities, and what their sidecars say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bids_app.options import Options
from bids_app.session import SessionInputs, StackInput
from fetalt2prep import __version__
from fetalt2prep.core.bias.options import BIASES
from fetalt2prep.core.denoise.options import DENOISERS
from fetalt2prep.core.t2.options import MODEL_NAMES

REASONS = {
    0: "T2 estimated",
    1: "outside the brain mask",
    2: "fewer than two echo times",
    3: "signal not positive",
    4: "signal does not fall with echo time",
    5: "T2 at or beyond a bound",
    6: "fewer than two echoes above the noise",
    7: "iterations did not settle",
}


@dataclass(frozen=True, kw_only=True)
class Derivative:
    """One file to be stored."""

    in_file: str
    source: str
    """Path whose entities name the file."""
    entities: Mapping[str, str]
    """Entities added to, or replacing, those of the source."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """Sidecar; empty: none is written."""


@dataclass(frozen=True)
class StackFiles:
    """A stack that entered the reconstruction."""

    name: str
    image: str
    """Denoised, and divided by the field of the coils."""
    mask: str
    denoise_note: str = ""
    """Why another denoiser was used than was asked for; empty where it was not."""


def session_source(session: SessionInputs) -> str:
    """A path with the entities of the whole session: subject, session, and ``acq-`` when there is but one.

    ``run-`` and ``echo-`` name one stack, and a reconstruction is made from all of them.
    """
    name = session.label + (f"_acq-{session.acquisition}" if session.acquisition else "")
    return f"/{session.label.replace('_', '/')}/anat/{name}_T2w.nii.gz"


def stack_derivatives(
    session: SessionInputs,
    options: Options,
    used: Sequence[StackFiles],
    table: str,
) -> list[Derivative]:
    """Denoised stacks with their masks, unless the level is minimal, and the table of stacks."""
    by_name = {stack.name: stack for stack in session.stacks}
    found: list[Derivative] = []
    for files in used if options.level == "full" or options.steps == "masks" else ():
        stack = by_name[files.name]
        raw = str(stack.image.with_name(f"{files.name}.nii.gz"))  # a volume of a larger file has a name of its own
        preproc = {
            "Description": "Stack as it enters the reconstruction",
            "Sources": [raw_uri(stack, options)],
            "SkullStripped": False,
            "Units": "arbitrary",
            "EchoTime": stack.te_s,
            "SliceThickness": stack.thickness_mm,
            **field_strength([stack]),
            "Denoising": files.denoise_note or DENOISERS[options.denoise],
            "BiasCorrection": BIASES["none" if options.steps == "masks" else options.bias],
        }
        brain = {
            "Description": "Brain mask of the stack",
            "Type": "Brain",
            "Sources": [raw_uri(stack, options) if masks_are_own(options) else mask_uri(stack, options)],
            "MaskSource": "given" if stack.mask else "estimated",
            "MaskConsensus": options.mask_consensus == "on",
        }
        suffix = stack.entities["suffix"]
        found += [
            Derivative(
                in_file=files.image,
                source=raw,
                entities={"desc": "preproc", "suffix": suffix},
                meta=stamp(preproc, options),
            ),
            Derivative(
                in_file=files.mask,
                source=raw,
                # A T2w and a MESE stack may share all entities, and of a mask BIDS takes no mod-.
                entities={"desc": "brain" if suffix == "T2w" else f"brain{suffix}", "suffix": "mask"},
                meta=stamp(brain, options),
            ),
        ]
    found.append(of_session(session, table, "stats", desc="stacks", meta={"Description": "One row per stack"}))
    return found


def recon_derivatives(
    session: SessionInputs, options: Options, names: Sequence[str], echoes: Sequence[str], te_s:
    Sequence[float], brain_mask: str, slice_table: str, info: str,
) -> list[Derivative]:  # fmt: skip
    """Reconstructed echoes, their mask, the slice table, and the account of the reconstruction."""
    used = [stack for stack in session.stacks if stack.name in set(names)]
    sources = [raw_uri(stack, options) for stack in used]
    found: list[Derivative] = []
    for number, (echo, time_s) in enumerate(zip(echoes, te_s, strict=True), start=1):
        meta = {
            "Description": "Echo of the joint slice-to-volume reconstruction",
            "Sources": sources,
            "SkullStripped": True,
            "Units": "arbitrary",
            "EchoTime": time_s,
            **field_strength(used),
            **recon_account(options),
        }
        found.append(of_session(session, echo, "T2w", desc="recon", echo=str(number), meta=stamp(meta, options)))
    mask = {
        "Description": "Brain mask of the reconstruction",
        "Type": "Brain",
        "Sources": sorted({mask_uri(stack, options) for stack in used}),
    }
    slices = {
        "Description": "One row per slice: pose, gain, weight, and why it was set aside",
        **recon_account(options),
    }
    found += [
        of_session(session, brain_mask, "mask", desc="brain", meta=stamp(mask, options)),
        of_session(session, slice_table, "stats", desc="slices", meta=slices),
        of_session(session, info, "stats", desc="recon"),
    ]
    return found


def density_derivative(
    session: SessionInputs, options: Options, names: Sequence[str], te_s: Sequence[float], density: str
) -> Derivative:
    """How many slices measure each voxel, all echo times together."""
    meta = {
        "Description": "Effective number of slices that measure each voxel, summed over echo times: the adjoint of the "
        "slices' point spread functions to the weights of their pixels, in volumes of a pixel",
        "Sources": [raw_uri(stack, options) for stack in session.stacks if stack.name in set(names)],
        "SkullStripped": True,
        "Units": "slices",
        "EchoTime": list(te_s),
        **recon_account(options),
    }
    return of_session(session, density, "T2w", desc="density", meta=stamp(meta, options))


def t2_derivatives(
    session: SessionInputs, options: Options, te_s: Sequence[float], t2map: str, s0map: str, t2_stderr: str,
    rmse: str, valid: str, info: str,
) -> list[Derivative]:  # fmt: skip
    """T2, S0, standard error of T2, residual, reasons for missing values, account of the fit."""
    stem = session_source(session).lstrip("/").rpartition("_")[0]
    echoes = [f"bids::{stem}_rec-inr_echo-{n}_desc-recon_T2w.nii.gz" for n in range(1, len(te_s) + 1)]
    common = {
        "Sources": [recon_uri(echo.image, options) for echo in session.echoes] or echoes,
        "SkullStripped": True,
        "EchoTime": list(te_s),
        **field_strength(session.stacks),
        **t2_account(options),
        **({} if session.echoes else recon_account(options)),
    }
    maps = [
        (t2map, "T2map", None, "s", "T2; NaN where there is no answer"),
        (s0map, "S0map", None, "arbitrary", "Signal at echo time zero"),
        (t2_stderr, "T2map", "uncertainty", "s", "Standard error of T2"),
        (rmse, "T2w", "rmse", "arbitrary", "Root mean square of the residual of the T2 fit"),
    ]
    found = [
        of_session(
            session,
            file,
            suffix,
            desc=desc,
            meta=stamp({**common, "Description": text, "Units": units}, options),
        )
        for file, suffix, desc, units, text in maps
    ]
    reason = {"Description": "Why a voxel has a T2 (0) or none", "Sources": common["Sources"]}
    labels = {"Levels": {str(code): text for code, text in REASONS.items()}}
    found.append(of_session(session, valid, "dseg", desc="reason", meta=stamp({**reason, **labels}, options)))
    found.append(of_session(session, info, "stats", desc="t2"))
    return found


def given_derivatives(session: SessionInputs, options: Options, brain_mask: str, info: str) -> list[Derivative]:
    """Brain mask of given volumes, and the account of what was given."""
    given = [session.recon_mask] if session.recon_mask else [echo.image for echo in session.echoes]
    meta = {
        "Description": "Brain mask of the reconstruction that was given",
        "Type": "Brain",
        "Sources": [recon_uri(path, options) for path in given],
    }
    return [
        of_session(session, brain_mask, "mask", desc="brain", meta=stamp(meta, options)),
        of_session(session, info, "stats", desc="recon"),
    ]


def of_session(
    session: SessionInputs, in_file: str, suffix: str, *, desc: str | None = None, echo: str | None = None,
    label: str | None = None,
    meta: Mapping[str, Any] | None = None,
) -> Derivative:  # fmt: skip
    """A file that was made from all stacks of a session."""
    entities = {"reconstruction": session.rec, "suffix": suffix}
    entities |= {"desc": desc} if desc else {}
    entities |= {"echo": echo} if echo else {}
    entities |= {"label": label} if label else {}
    return Derivative(in_file=in_file, source=session_source(session), entities=entities, meta=meta or {})


def recon_account(options: Options) -> dict[str, Any]:
    """What a sidecar says about the reconstruction."""
    recon = options.recon
    return {
        "ReconstructionModel": recon.model,
        "ReconstructionField": recon.field,
        "ReconstructionMotion": recon.motion,
        "ReconstructionSliceProfile": recon.profile,
        "ReconstructionCoilField": recon.coil_field,
        "ReconstructionResolution": recon.resolution_mm,
        "RandomSeed": recon.seed,
    }


def t2_account(options: Options) -> dict[str, Any]:
    """What a sidecar says about the T2 fit."""
    t2 = options.t2
    account: dict[str, Any] = {
        "EstimationAlgorithm": estimation_algorithm(t2.model),
        "T2Model": t2.model,
        "T2Bounds": list(t2.t2_bounds_s),
        "T2NoiseFloor": t2.noise_floor,
    }
    if t2.model.startswith("epg"):
        account |= {"EchoSpacing": t2.echo_spacing_s, "RefocusingAngle": t2.refocusing_deg}
    return account


def estimation_algorithm(model: str) -> str:
    """How T2 was fitted, by the name of the model."""
    return f"{MODEL_NAMES[model].capitalize()}, on the jointly reconstructed echoes"


def field_strength(stacks: Sequence[StackInput]) -> dict[str, float]:
    """MagneticFieldStrength when the stacks that give it agree."""
    values = {stack.field_t for stack in stacks if stack.field_t is not None}
    return {"MagneticFieldStrength": values.pop()} if len(values) == 1 else {}


def stamp(meta: Mapping[str, Any], options: Options) -> dict[str, Any]:
    """Add what is the same in every sidecar of a run."""
    return {**meta, "SoftwareName": "fetalt2prep", "SoftwareVersion": __version__}


def raw_uri(stack: StackInput, options: Options) -> str:
    """BIDS URI of a stack."""
    return f"bids:raw:{stack.image.relative_to(options.bids_dir).as_posix()}"


def recon_uri(path: Path, options: Options) -> str:
    """BIDS URI of a file of the given reconstructions."""
    return f"bids:recon:{path.relative_to(options.reconstructions or options.bids_dir).as_posix()}"


def masks_are_own(options: Options) -> bool:
    """Whether the given masks are those of the output folder itself, to be stored in their own place again.

    Such a mask is no source of itself: it was made from its stack, by an earlier run or by hand.
    """
    return options.masks is not None and options.masks.resolve() == options.output_dir.resolve()


def mask_uri(stack: StackInput, options: Options) -> str:
    """BIDS URI of the given mask of a stack, or of the stack from which the mask was estimated."""
    if stack.mask is None or options.masks is None:
        return raw_uri(stack, options)
    return f"bids:masks:{Path(stack.mask).relative_to(options.masks).as_posix()}"
