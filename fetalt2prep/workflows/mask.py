"""Brain masks of the stacks of a session, and the choice of stacks that follows from them."""

from __future__ import annotations

from nipype.interfaces.utility import IdentityInterface
from nipype.pipeline import engine as pe

from fetalt2prep.interfaces.mask import BrainMask
from fetalt2prep.interfaces.select import SelectStacks

PORTS = ["echo_times_s", "thicknesses_mm", "slice_times_s", "stack_table"]


def init_mask_wf(
    *, method: str = "network", model_file: str | None = None, n_threads: int = 1, name: str = "mask_wf"
) -> pe.Workflow:
    """Take the masks that were given, look for the brain in the other stacks, and set aside those that do
    not fit.

    Parameters
    ----------
    method
        How to look for the brain: ``network``, which falls back on the classical method, or ``classical``.
    model_file
        Another network than the package's: safetensors, TorchScript or ONNX.
    n_threads
        Threads of the network.

    Inputs
    ------
    in_files
        Stacks, slices last.
    masks
        Mask of each, None where none was given.
    echo_times_s, thicknesses_mm, slice_times_s
        One entry per stack.
    stack_table
        Table of all stacks (:class:`fetalt2prep.interfaces.check.CheckStacks`).

    Outputs
    -------
    out_files, masks
        Stacks that enter the reconstruction, and their masks.
    echo_times_s, thicknesses_mm, slice_times_s
        One entry for each of them.
    stack_table
        Table of all stacks, completed.
    """
    workflow = pe.Workflow(name=name)
    inputnode = pe.Node(IdentityInterface(fields=["in_files", "masks", *PORTS]), name="inputnode")
    outputnode = pe.Node(IdentityInterface(fields=["out_files", "masks", *PORTS]), name="outputnode")
    look = BrainMask(method=method, n_threads=n_threads)
    if model_file is not None:
        look.inputs.model_file = model_file
    mask = pe.MapNode(look, iterfield=["in_file", "in_mask"], name="mask", n_procs=n_threads)
    select = pe.Node(SelectStacks(), name="select")
    found = [
        ("out_file", "masks"),
        ("source", "sources"),
        ("confidence", "confidences"),
        ("reasons", "reasons"),
    ]
    workflow.connect([
        (inputnode, mask, [("in_files", "in_file"), ("masks", "in_mask")]),
        (inputnode, select, [("in_files", "in_files"), *((port, port) for port in PORTS)]),
        (mask, select, found),
        (select, outputnode, [(port, port) for port in ("out_files", "masks", *PORTS)]),
    ])  # fmt: skip
    return workflow
