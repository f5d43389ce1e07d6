"""Stacks and masks of a session judged together, and the choice of stacks that follows."""

from __future__ import annotations

from nipype.interfaces.utility import IdentityInterface
from nipype.pipeline import engine as pe

from fetalt2prep.core.quality.options import QualityOptions
from fetalt2prep.interfaces.quality import AssessStacks
from fetalt2prep.interfaces.select import SelectStacks

PORTS = ["echo_times_s", "thicknesses_mm", "slice_times_s", "stack_table"]
OF_MASKS = ["sources", "confidences", "reasons"]


def init_quality_wf(options: QualityOptions | None = None, *, name: str = "quality_wf") -> pe.Workflow:
    """Judge masks and pictures against each other, and set aside what is clearly broken.

    Parameters
    ----------
    options
        Choice of stacks, consensus of masks, gestational age; None: the defaults.

    Inputs
    ------
    in_files, masks
        Stacks, slices last, and their brain masks, some perhaps empty.
    sources, confidences, reasons
        Where each mask comes from, how far it is trusted, what there is to say of it.
    echo_times_s, thicknesses_mm, slice_times_s
        One entry per stack.
    stack_table
        Table of all stacks (:class:`fetalt2prep.interfaces.check.CheckStacks`).
    audit_table
        Findings in the headers (:class:`fetalt2prep.interfaces.audit.AuditHeaders`).

    Outputs
    -------
    out_files, masks
        Stacks that enter the reconstruction, and their masks.
    echo_times_s, thicknesses_mm, slice_times_s
        One entry for each of them.
    stack_table
        Table of all stacks, completed.
    quality_table, slice_quality
        Measures and verdicts, one row per stack; signal lost, one row per slice. Written also when no stack is left.
    """
    workflow = pe.Workflow(name=name)
    inputs = ["in_files", "masks", *OF_MASKS, *PORTS, "audit_table"]
    inputnode = pe.Node(IdentityInterface(fields=inputs), name="inputnode")
    tables = ["quality_table", "slice_quality"]
    outputnode = pe.Node(IdentityInterface(fields=["out_files", "masks", *PORTS, *tables]), name="outputnode")
    options = options or QualityOptions()
    judge = AssessStacks(
        consensus=options.consensus, mode=options.select, gestational_age_weeks=options.gestational_age_weeks
    )
    chooser = SelectStacks()
    if options.selection is not None:
        judge.inputs.selection = chooser.inputs.selection = options.selection
    assess = pe.Node(judge, name="assess")
    choose = pe.Node(chooser, name="select")
    seen = ["in_files", "masks", "confidences", "echo_times_s", "thicknesses_mm", "audit_table"]
    workflow.connect([
        (inputnode, assess, [(port, port) for port in seen]),
        (inputnode, choose, [(port, port) for port in ("in_files", *OF_MASKS, *PORTS, "audit_table")]),
        (assess, choose, [("masks", "masks"), ("quality_table", "quality_table")]),
        (assess, outputnode, [(port, port) for port in tables]),
        (choose, outputnode, [(port, port) for port in ("out_files", "masks", *PORTS)]),
    ])  # fmt: skip
    return workflow
