"""Denoise the stacks of a session."""

from __future__ import annotations

from nipype.interfaces.utility import IdentityInterface
from nipype.pipeline import engine as pe

from fetalt2prep.interfaces.denoise import Denoise


def init_denoise_wf(method: str = "nlm", name: str = "denoise_wf") -> pe.Workflow:
    """Denoise each stack by itself, on the scale it came with.

    Parameters
    ----------
    method
        ``nlm`` (non-local means in each slice) or ``none``.

    Inputs
    ------
    in_files
        Stacks, slices last.
    masks
        Brain mask of each; its surroundings are denoised.

    Outputs
    -------
    out_files
        Denoised stacks, same order.
    noise_sigmas
        Standard deviation of the noise of each before, scanner units.
    """
    workflow = pe.Workflow(name=name)
    inputnode = pe.Node(IdentityInterface(fields=["in_files", "masks"]), name="inputnode")
    outputnode = pe.Node(IdentityInterface(fields=["out_files", "noise_sigmas"]), name="outputnode")
    denoise = pe.MapNode(Denoise(method=method), iterfield=["in_file", "in_mask"], name="denoise")
    workflow.connect([
        (inputnode, denoise, [("in_files", "in_file"), ("masks", "in_mask")]),
        (denoise, outputnode, [("out_file", "out_files"), ("noise_sigma", "noise_sigmas")]),
    ])  # fmt: skip
    return workflow
