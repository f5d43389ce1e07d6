"""Brain masks of the stacks of a session."""

from __future__ import annotations

from nipype.interfaces.utility import IdentityInterface
from nipype.pipeline import engine as pe

from fetalt2prep.interfaces.mask import BrainMask

OUTPUTS = {"out_file": "masks", "source": "sources", "confidence": "confidences", "reasons": "reasons"}


def init_mask_wf(
    *, method: str = "network", model_file: str | None = None, n_threads: int = 1, name: str = "mask_wf"
) -> pe.Workflow:
    """Take the masks that were given, and look for the brain in the other stacks.

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
    look = BrainMask(method=method, n_threads=n_threads)
    if model_file is not None:
        look.inputs.model_file = model_file
    mask = pe.MapNode(look, iterfield=["in_file", "in_mask"], name="mask", n_procs=n_threads)
    workflow.connect([
        (inputnode, mask, [("in_files", "in_file"), ("masks", "in_mask")]),
        (mask, outputnode, list(OUTPUTS.items())),
    ])  # fmt: skip
    return workflow
