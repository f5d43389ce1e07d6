"""Denoise the stacks of a session."""

from __future__ import annotations

from nipype.interfaces.utility import IdentityInterface
from nipype.pipeline import engine as pe

from fetalt2prep.core.denoise.options import DEFAULT_DENOISER
from fetalt2prep.interfaces.denoise import Denoise


def init_denoise_wf(method: str = DEFAULT_DENOISER, name: str = "denoise_wf") -> pe.Workflow:
    """Denoise each stack by itself, on the scale it came with.

    Parameters
    ----------
    method
        One of :data:`fetalt2prep.core.denoise.options.DENOISERS`.

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
    noise_floors
        The same as far as it still lifts dark pixels: 0 after a method that takes it off.
    notes
        Of each stack why another method was used than was asked for; empty where it was not.
    """
    workflow = pe.Workflow(name=name)
    inputnode = pe.Node(IdentityInterface(fields=["in_files", "masks"]), name="inputnode")
    outputnode = pe.Node(
        IdentityInterface(fields=["out_files", "noise_sigmas", "noise_floors", "notes"]), name="outputnode"
    )
    denoise = pe.MapNode(Denoise(method=method), iterfield=["in_file", "in_mask"], name="denoise")
    workflow.connect([
        (inputnode, denoise, [("in_files", "in_file"), ("masks", "in_mask")]),
        (denoise, outputnode, [("out_file", "out_files")]),
        (denoise, outputnode, [("noise_sigma", "noise_sigmas"), ("noise_floor", "noise_floors"), ("note", "notes")]),
    ])  # fmt: skip
    return workflow
