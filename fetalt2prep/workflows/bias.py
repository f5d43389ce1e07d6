"""Field of the receive coils, taken off the stacks of a session."""

from __future__ import annotations

from nipype.interfaces.utility import IdentityInterface
from nipype.pipeline import engine as pe

from fetalt2prep.interfaces.bias import BiasField

INPUTS = ["in_files", "masks", "echo_times_s"]
OUTPUTS = ["out_files", "field_file", "info_file"]


def init_bias_wf(name: str = "bias_wf") -> pe.Workflow:
    """Divide the stacks by one smooth field, which all positions and echo times share.

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
    field_file
        The field on a coarse grid in scanner space, mean 1 inside the masks.
    info_file
        Method, and percentiles of the field inside the masks (JSON).
    """
    workflow = pe.Workflow(name=name)
    inputnode = pe.Node(IdentityInterface(fields=INPUTS), name="inputnode")
    outputnode = pe.Node(IdentityInterface(fields=OUTPUTS), name="outputnode")
    bias = pe.Node(BiasField(), name="bias")
    workflow.connect([
        (inputnode, bias, [(port, port) for port in INPUTS]),
        (bias, outputnode, [(port, port) for port in OUTPUTS]),
    ])  # fmt: skip
    return workflow
