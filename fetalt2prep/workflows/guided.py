"""Refinement of maps by guides."""

from __future__ import annotations

from nipype.interfaces.utility import IdentityInterface
from nipype.pipeline import engine as pe

from fetalt2prep.interfaces.guided import GuidedSuperResolution

INPUTS = ["t2map", "s0map", "mask", "te_s", "guide_files", "guide_te_s"]
OUTPUTS = ["t2map", "s0map", "mismatch", "guides", "info_file"]


def init_guided_wf(*, mem_gb: float = 2, name: str = "guided_wf") -> pe.Workflow:
    """Register spin-echo guides to a T2 map and refine it where they agree.

    Parameters
    ----------
    mem_gb
        Memory that Nipype sets aside.

    Inputs
    ------
    t2map, s0map, mask
        T2 (s) and signal at echo time zero on one grid; where maps are wanted.
    te_s
        Echo times from which T2 was fitted, s.
    guide_files, guide_te_s
        Weighted images and their echo times, s.

    Outputs
    -------
    t2map, s0map
        Refined maps.
    mismatch
        0 where guides and maps agree, towards 1 where they do not.
    guides
        Guides on the grid of the refined maps.
    info_file
        What was chosen and why (JSON).
    """
    workflow = pe.Workflow(name=name)
    inputnode = pe.Node(IdentityInterface(fields=INPUTS), name="inputnode")
    outputnode = pe.Node(IdentityInterface(fields=OUTPUTS), name="outputnode")
    refine = pe.Node(GuidedSuperResolution(), name="refine", mem_gb=mem_gb)
    workflow.connect([
        (inputnode, refine, [(port, port) for port in INPUTS]),
        (refine, outputnode, [(port, port) for port in OUTPUTS]),
    ])  # fmt: skip
    return workflow
