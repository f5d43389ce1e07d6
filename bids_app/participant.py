"""The participant level as a Nipype workflow: the library's workflow for each session, and its sinks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

from nipype.interfaces.base import Interface
from nipype.pipeline import engine as pe
from nipype.utils.profiler import get_system_total_memory_gb

from bids_app.options import Options, RunOptions
from bids_app.outputs import SinkRecon, SinkSampled, SinkStacks, SinkT2
from bids_app.outputs_regions import SinkRegions
from bids_app.session import SessionInputs
from bids_app.t2_context import t2_context
from fetalt2prep import __version__
from fetalt2prep.workflows.fetal_t2 import SAMPLED_OUTPUTS, init_fetal_t2_wf

MEM_GB = 3.0
"""Memory that Nipype sets aside for a reconstruction before it starts a second one."""


def memory_share_mb(run: RunOptions, n_sessions: int) -> int:
    """Memory for one reconstruction, MB: as many run side by side as have cores, and ``MEM_GB`` each."""
    mem_mb = run.mem_mb or int(0.9 * get_system_total_memory_gb() * 2**30 / 1e6)
    side_by_side = min(n_sessions, run.nprocs // run.omp_nthreads, mem_mb // round(1000 * MEM_GB))
    return int(mem_mb // max(1, side_by_side))


def init_participants_wf(sessions: Sequence[SessionInputs], options: Options, log_dirs: dict[str, Path]) -> pe.Workflow:
    """One workflow for the given sessions, each independent of the others.

    The name carries the version: a work folder left by another version is never taken up.

    Parameters
    ----------
    sessions
        Sessions with at least one usable stack.
    options
        Options of the run; the device is resolved.
    log_dirs
        Participant -> folder for the crash files of its nodes.
    """
    workflow = pe.Workflow(name="fetalt2prep_" + re.sub(r"\W", "_", __version__) + "_wf")
    workflow.base_dir = str(options.run.work_dir)
    options = replace(options, recon=replace(options.recon, mem_mb=memory_share_mb(options.run, len(sessions))))
    for session in sessions:
        session_wf = init_session_wf(session, options)
        session_wf.config["execution"] = {"crashdump_dir": str(log_dirs[session.subject])}
        for node in session_wf._get_all_nodes():
            node.config = deepcopy(session_wf.config)
        workflow.add_nodes([session_wf])
    return workflow


def init_session_wf(session: SessionInputs, options: Options) -> pe.Workflow:
    """Stacks of one session -> derivatives on disk.

    With fewer than two echo times the T2 step and its sink are left out.
    """
    stacks = session.stacks
    fit_t2 = len(session.echo_times_s) > 1
    workflow = pe.Workflow(name=re.sub(r"\W", "_", session.label) + "_wf")
    fetal_t2_wf = init_fetal_t2_wf(
        denoise=options.denoise,
        recon=options.recon,
        fit_t2=fit_t2,
        t2=options.t2,
        context=t2_context(session, options) if fit_t2 else None,
        sample_mm=options.sample_mm,
        n_threads=options.run.omp_nthreads,
        mem_gb=MEM_GB,
    )
    inputs = fetal_t2_wf.inputs.inputnode
    inputs.stacks = [str(stack.image) for stack in stacks]
    inputs.masks = [str(stack.mask) for stack in stacks if stack.mask is not None]
    inputs.echo_times_s = [stack.te_s for stack in stacks]
    inputs.thicknesses_mm = [stack.thickness_mm for stack in stacks]
    inputs.slice_times_s = [list(stack.slice_times_s or ()) for stack in stacks]
    # With the sidecars above it: the library by itself reads the one beside the stack only.
    inputs.slice_directions = [stack.slice_direction for stack in stacks]

    sinks: list[tuple[str, Interface, list[str]]] = [
        ("sink_stacks", SinkStacks, ["stacks", "stack_masks", "stack_table"]),
        (
            "sink_recon",
            SinkRecon,
            ["stack_table", "echo_files", "te_s", "brain_mask", "slice_table", "field_file", "recon_info"],
        ),
    ]
    if fit_t2:
        ports = ["te_s", "t2map", "s0map", "t2_stderr", "rmse", "valid", "t2_info"]
        sinks.append(("sink_t2", SinkT2, ports))
        ports = ["csf_probability", "region_table", "region_info", "budget_file"]
        sinks.append(("sink_regions", SinkRegions, ports))
    if options.sample_mm:
        ports = ["te_s", *SAMPLED_OUTPUTS.values()]
        sinks.append(("sink_sampled", SinkSampled, ports))
    for name, interface, ports in sinks:
        node = pe.Node(interface(session=session, options=options), name=name, run_without_submitting=True)
        workflow.connect([(fetal_t2_wf, node, [(f"outputnode.{port}", port) for port in ports])])
    return workflow
