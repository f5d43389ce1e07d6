"""The participant level as a Nipype workflow: the library's workflow for each session, and its sinks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

from nipype.interfaces.base import Interface
from nipype.pipeline import engine as pe

from bids_app.crashes import workflow_name
from bids_app.estimate import estimate
from bids_app.guided import add_guided
from bids_app.limits import default_mem_mb
from bids_app.options import Options, RunOptions
from bids_app.outputs import SinkGiven, SinkRecon, SinkSampled, SinkStacks, SinkT2
from bids_app.outputs_bias import SinkBias
from bids_app.outputs_quality import SinkQuality
from bids_app.outputs_regions import SinkRegions
from bids_app.session import SessionInputs
from bids_app.stored import fits_t2
from bids_app.t2_context import gestational_age, t2_context
from fetalt2prep import __version__
from fetalt2prep.core.quality.options import QualityOptions
from fetalt2prep.interfaces.split import SplitVolumes
from fetalt2prep.interfaces.volumes import CheckVolumes
from fetalt2prep.workflows.fetal_t2 import SAMPLED_OUTPUTS, init_fetal_t2_wf
from fetalt2prep.workflows.t2 import init_t2_wf

SHARE_GB = 3.0
"""Memory of a reconstruction of usual size: with less, another is not begun beside it."""
T2_PORTS = ["t2map", "s0map", "t2_stderr", "rmse", "valid"]
REGION_PORTS = ["csf_probability", "region_table", "region_info", "budget_file"]
WORKFLOW = "fetalt2prep_" + re.sub(r"\W", "_", __version__) + "_wf"
"""Name of the workflow and its work folder; with the version: what another version left is never taken up."""
Sink = tuple[str, Interface, list[str]]


def memory_share_mb(run: RunOptions, n_sessions: int) -> int | None:
    """Memory for one reconstruction, MB: as many run side by side as have cores, and ``SHARE_GB`` each.

    None (no limit) for steps that run as jobs of a cluster, unless a limit was given for each.
    """
    if run.use_plugin is not None:
        return run.mem_mb
    mem_mb = run.mem_mb or default_mem_mb()
    side_by_side = min(n_sessions, run.nprocs // run.omp_nthreads, mem_mb // round(1000 * SHARE_GB))
    return int(mem_mb // max(1, 1 if run.low_mem else side_by_side))


def init_participants_wf(sessions: Sequence[SessionInputs], options: Options, log_dirs: dict[str, Path]) -> pe.Workflow:
    """One workflow for the given sessions, each independent of the others.

    Parameters
    ----------
    sessions
        Sessions with at least one usable stack, or with given volumes.
    options
        Options of the run; the device is resolved.
    log_dirs
        Participant -> folder for the crash files of its nodes.
    """
    workflow = pe.Workflow(name=WORKFLOW)
    workflow.base_dir = str(options.run.work_dir)
    options = replace(options, recon=replace(options.recon, mem_mb=memory_share_mb(options.run, len(sessions))))
    for session in sessions:
        session_wf = init_session_wf(session, options)
        session_wf.config["execution"] = {"crashdump_dir": str(log_dirs[session.subject])}
        config = deepcopy(session_wf.config)
        for node in session_wf._get_all_nodes():
            node.config = config  # one for all of the session: Nipype merges it into a copy of its own
        workflow.add_nodes([session_wf])
    return workflow


def session_wf_name(session: SessionInputs) -> str:
    """Name of a session's workflow and of its folder below the work folder."""
    return workflow_name(session.label)


def init_session_wf(session: SessionInputs, options: Options) -> pe.Workflow:
    """Stacks of one session, or given volumes -> derivatives on disk.

    What ``options.steps`` does not ask for is left out, with its sink, and so is T2 with fewer than two echo times.
    """
    if session.echoes:
        return init_given_wf(session, options)
    reconstruct, fit_t2 = options.steps != "masks", fits_t2(session, options)
    workflow = pe.Workflow(name=session_wf_name(session))
    fetal_t2_wf = _add_stacks(workflow, session, options, "fetal_t2_wf", fit_t2=fit_t2)
    sinks: list[Sink] = [
        ("sink_quality", SinkQuality, ["quality_table", "audit_table"]),
        ("sink_stacks", SinkStacks, ["stacks", "stack_masks", "stack_table", "denoise_notes"]),
    ]
    if reconstruct:
        ports = [
            "stack_table",
            "denoise_notes",
            "echo_files",
            "te_s",
            "brain_mask",
            "density",
            "slice_table",
            "field_file",
            "recon_info",
        ]
        sinks.append(("sink_recon", SinkRecon, ports))
    if reconstruct and options.bias != "none":
        sinks.append(("sink_bias", SinkBias, ["stack_table", "bias_field", "bias_info"]))
    if fit_t2:
        sinks.append(("sink_t2", SinkT2, ["te_s", *T2_PORTS, "t2_info"]))
        sinks.append(("sink_regions", SinkRegions, REGION_PORTS))
    if reconstruct and options.sample_mm:
        sinks.append(("sink_sampled", SinkSampled, ["te_s", *SAMPLED_OUTPUTS.values()]))
    for name, interface, ports in sinks:
        node = _sink(name, interface, session, options)
        workflow.connect([(fetal_t2_wf, node, [(f"outputnode.{port}", port) for port in ports])])
    if fit_t2 and session.guide:
        maps = [(f"outputnode.{port}", port) for port in ("t2map", "s0map", "te_s")]
        maps.append(("outputnode.brain_mask", "mask"))
        own = replace(session, stacks=session.guide.stacks, guide=None)

        def reconstruct_guide() -> pe.Workflow:
            return _add_stacks(workflow, own, replace(options, sample_mm=()), "guide_wf", fit_t2=False)

        add_guided(workflow, session, options, [(fetal_t2_wf, maps)], reconstruct_guide)
    return workflow


def _add_stacks(
    workflow: pe.Workflow, session: SessionInputs, options: Options, name: str, *, fit_t2: bool
) -> pe.Workflow:
    """The library's workflow for the stacks of a session, fed with them and put into the session's."""
    stacks, reconstruct = session.stacks, options.steps != "masks"
    fetal_t2_wf = init_fetal_t2_wf(
        mask_method=options.mask_method,
        mask_model=None if options.mask_model is None else str(options.mask_model),
        denoise=options.denoise,
        bias=options.bias,
        quality=quality_options(session, options),
        recon=options.recon,
        reconstruct=reconstruct,
        fit_t2=fit_t2,
        t2=options.t2,
        context=t2_context(session, options) if fit_t2 else None,
        sample_mm=options.sample_mm,
        n_threads=options.run.omp_nthreads,
        mem_gb=estimate(session, options).mem_gb,
        name=name,
    )
    inputs = fetal_t2_wf.inputs.inputnode
    inputs.masks = _masks(session)
    inputs.echo_times_s = [stack.te_s for stack in stacks]
    inputs.thicknesses_mm = [stack.thickness_mm for stack in stacks]
    inputs.slice_times_s = [list(stack.slice_times_s or ()) for stack in stacks]
    # With the sidecars above it: the library by itself reads the one beside the stack only.
    inputs.slice_directions = [stack.slice_direction for stack in stacks]
    files = [str(stack.image) for stack in stacks]
    if any(stack.volume is not None for stack in stacks):
        names, volumes = [stack.name for stack in stacks], [stack.volume for stack in stacks]
        node = "split" if name == "fetal_t2_wf" else f"split_{name}"
        split = pe.Node(SplitVolumes(in_files=files, volumes=volumes, names=names), name=node)
        workflow.connect([(split, fetal_t2_wf, [("out_files", "inputnode.stacks")])])
    else:
        inputs.stacks = files
        workflow.add_nodes([fetal_t2_wf])
    return fetal_t2_wf


def init_given_wf(session: SessionInputs, options: Options) -> pe.Workflow:
    """Given volumes of one session -> T2 on disk."""
    workflow = pe.Workflow(name=session_wf_name(session))
    check = pe.Node(CheckVolumes(), name="check_volumes")
    check.inputs.in_files = [str(echo.image) for echo in session.echoes]
    check.inputs.echo_times_s = [echo.te_s for echo in session.echoes]
    if session.recon_mask:
        check.inputs.in_mask = str(session.recon_mask)
    given = _sink("sink_given", SinkGiven, session, options)
    workflow.connect([(check, given, [("mask_file", "brain_mask"), ("info_file", "recon_info")])])
    if fits_t2(session, options):
        t2_wf = init_t2_wf(options.t2, t2_context(session, options))
        sink = _sink("sink_t2", SinkT2, session, options)
        regions = _sink("sink_regions", SinkRegions, session, options)
        into_t2 = [("out_files", "in_files"), ("te_s", "echo_times_s"), ("mask_file", "mask")]
        into_t2.append(("info_file", "recon_info"))
        workflow.connect([
            (check, t2_wf, [(port, f"inputnode.{name}") for port, name in into_t2]),
            (check, sink, [("te_s", "te_s")]),
            (t2_wf, sink, [*((f"outputnode.{port}", port) for port in T2_PORTS), ("outputnode.info_file", "t2_info")]),
            (t2_wf, regions, [(f"outputnode.{port}", port) for port in REGION_PORTS]),
        ])  # fmt: skip
        maps = [(f"outputnode.{port}", port) for port in ("t2map", "s0map")]
        given_maps = [(t2_wf, maps), (check, [("mask_file", "mask"), ("te_s", "te_s")])]
        add_guided(workflow, session, options, given_maps)
    return workflow


def quality_options(session: SessionInputs, options: Options) -> QualityOptions:
    """How the stacks of a session are judged and chosen."""
    return QualityOptions(
        select="auto" if options.selection else options.select,
        selection=str(options.selection) if options.selection else None,
        consensus=options.mask_consensus == "on",
        gestational_age_weeks=gestational_age(options.bids_dir, session),
    )


def _masks(session: SessionInputs) -> list[str | None]:
    """Masks of the stacks, None where one is estimated; an empty list when all are."""
    masks = [str(stack.mask) if stack.mask else None for stack in session.stacks]
    return masks if any(masks) else []


def _sink(name: str, interface: Interface, session: SessionInputs, options: Options) -> pe.Node:
    return pe.Node(interface(session=session, options=options), name=name, run_without_submitting=True)
