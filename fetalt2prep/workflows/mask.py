"""Brain masks of the stacks of a session."""

from __future__ import annotations

from nipype.interfaces.utility import IdentityInterface
from nipype.pipeline import engine as pe

from fetalt2prep.interfaces.mask import BrainMask

OUTPUTS = {"out_file": "masks", "source": "sources", "confidence": "confidences", "reasons": "reasons"}


def init_mask_wf(name: str = "mask_wf") -> pe.Workflow:
    """Take the masks that were given, and look for the brain in the other stacks.

    Inputs
    ------
    in_files
        Stacks, slices last.
    masks
        Mask of each, None where none was given.

    Outputs
    -------
    masks
        Mask of each; empty where nothing was found.
    sources, confidences, reasons
        Where each comes from, how far it is trusted (None: given), and what there is to say of it.
    """
    workflow = pe.Workflow(name=name)
    inputnode = pe.Node(IdentityInterface(fields=["in_files", "masks"]), name="inputnode")
    outputnode = pe.Node(IdentityInterface(fields=list(OUTPUTS.values())), name="outputnode")
    mask = pe.MapNode(BrainMask(), iterfield=["in_file", "in_mask"], name="mask")
    workflow.connect([
        (inputnode, mask, [("in_files", "in_file"), ("masks", "in_mask")]),
        (mask, outputnode, list(OUTPUTS.items())),
    ])  # fmt: skip
    return workflow
