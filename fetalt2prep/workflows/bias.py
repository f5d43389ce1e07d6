"""Fields of the receive coils, taken off the stacks of a session."""

from __future__ import annotations

from nipype.interfaces.utility import IdentityInterface
from nipype.pipeline import engine as pe

from fetalt2prep.interfaces.bias import BiasFields

INPUTS = ["in_files", "masks", "echo_times_s"]
OUTPUTS = ["out_files", "field_files", "info_file"]


def init_bias_wf(name: str = "bias_wf") -> pe.Workflow:
    """Divide the stacks by one smooth field for each position, which all echo times share.

    Inputs
    ------
    in_files, masks
        Stacks on one intensity scale, slices last, and their brain masks.
    echo_times_s
        Echo time of each, seconds.

    Outputs
    -------
    out_files
        Divided stacks, same order, same scale.
    field_files
        Field of each position, mean 1 inside the masks, on the grid of its first stack.
    info_file
        Which stacks share which field, and its range (JSON).
    """
    workflow = pe.Workflow(name=name)
    inputnode = pe.Node(IdentityInterface(fields=INPUTS), name="inputnode")
    outputnode = pe.Node(IdentityInterface(fields=OUTPUTS), name="outputnode")
    bias = pe.Node(BiasFields(), name="bias")
    workflow.connect([
        (inputnode, bias, [(port, port) for port in INPUTS]),
        (bias, outputnode, [(port, port) for port in OUTPUTS]),
    ])  # fmt: skip
    return workflow
