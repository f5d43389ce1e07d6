"""T2 map of a session."""

from __future__ import annotations

from nipype.interfaces.utility import IdentityInterface
from nipype.pipeline import engine as pe

from fetalt2prep.interfaces.t2 import FitT2

INPUTS = ["in_files", "echo_times_s", "echo_stderr_files", "residual_file", "mask"]
OUTPUTS = ["t2map", "s0map", "t2_stderr", "rmse", "valid", "info_file"]


def init_t2_wf(name: str = "t2_wf") -> pe.Workflow:
    """Fit T2 and S0 to the reconstructed echoes.

    Inputs
    ------
    in_files, echo_times_s
        One volume per echo time, on one grid and scale, and the times; two distinct at least.
    echo_stderr_files, residual_file
        Standard error of each echo; residual of the reconstruction.
    mask
        Where T2 is wanted.

    Outputs
    -------
    t2map, s0map
        T2 (s) and signal at echo time zero (scanner units); NaN without an answer.
    t2_stderr, rmse
        Standard error of T2 (s), and residual of the fit (scanner units).
    valid
        Code of :class:`fetalt2prep.core.t2.fit.T2Reason` in each voxel.
    info_file
        Account of the fit (JSON).
    """
    workflow = pe.Workflow(name=name)
    inputnode = pe.Node(IdentityInterface(fields=INPUTS), name="inputnode")
    outputnode = pe.Node(IdentityInterface(fields=OUTPUTS), name="outputnode")
    fit = pe.Node(FitT2(), name="fit")
    workflow.connect([
        (inputnode, fit, [(port, port) for port in INPUTS]),
        (fit, outputnode, [(port, port) for port in OUTPUTS]),
    ])  # fmt: skip
    return workflow
