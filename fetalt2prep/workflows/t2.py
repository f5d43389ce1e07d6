"""T2 map of a session, the fluid in its voxels, its regions, and its bias budget."""

from __future__ import annotations

from typing import Any

from nipype.interfaces.utility import IdentityInterface, Select
from nipype.pipeline import engine as pe

from fetalt2prep.core.t2.options import T2Context, T2Options
from fetalt2prep.interfaces.budget import BiasBudget
from fetalt2prep.interfaces.csf import FlagCsf
from fetalt2prep.interfaces.regions import RegionStatistics
from fetalt2prep.interfaces.t2 import FitT2

FIT_INPUTS = ["in_files", "echo_times_s", "echo_stderr_files", "residual_file", "mask"]
INPUTS = [*FIT_INPUTS, "recon_info"]
FIT_OUTPUTS = ["t2map", "s0map", "t2_stderr", "rmse", "valid", "info_file"]
OUTPUTS = [*FIT_OUTPUTS, "csf_probability", "region_table", "region_info", "budget_file"]


def init_t2_wf(t2: T2Options | None = None, context: T2Context | None = None, *, name: str = "t2_wf") -> pe.Workflow:
    """Fit T2 and S0 to the reconstructed echoes; measure regions; say what can have moved T2.

    Parameters
    ----------
    t2
        Options of the fit; None: the defaults.
    context
        Segmentation, age and protocol of the session; None: nothing is known.

    Inputs
    ------
    in_files, echo_times_s
        One volume per echo time, on one grid and scale, and the times; two distinct at least.
    echo_stderr_files, residual_file
        Standard error of each echo; residual of the reconstruction.
    mask
        Where T2 is wanted.
    recon_info
        Account of the reconstruction (JSON): the noise of a pixel.

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
    csf_probability
        Probability that 5 % or more of a voxel of tissue is fluid.
    region_table, region_info
        T2 of regions (TSV), and what its columns are (JSON).
    budget_file
        How much each known error can have moved T2 (JSON).
    """
    t2, context = t2 or T2Options(), context or T2Context()
    workflow = pe.Workflow(name=name)
    inputnode = pe.Node(IdentityInterface(fields=INPUTS), name="inputnode")
    outputnode = pe.Node(IdentityInterface(fields=OUTPUTS), name="outputnode")
    fit = pe.Node(FitT2(**_given(vars(t2))), name="fit")
    known = _given(vars(context))
    labelled = {key: known[key] for key in ("segmentation", "labels") if key in known}
    csf = pe.Node(FlagCsf(**labelled), name="csf")
    own = {key: known[key] for key in ("element_mm3", "gestational_age_weeks") if key in known}
    regions = pe.Node(RegionStatistics(notes=list(context.notes), **labelled, **own), name="regions")
    protocol = {key: known[key] for key in ("refocusing_deg", "echo_spacing_s", "field_t") if key in known}
    budget = pe.Node(BiasBudget(model=t2.model, **protocol), name="budget")
    first = pe.Node(Select(index=[0]), name="first_echo")
    maps = [(port, port) for port in ("t2map", "t2_stderr", "valid")]
    workflow.connect([
        (inputnode, fit, [(port, port) for port in FIT_INPUTS]),
        (fit, outputnode, [(port, port) for port in FIT_OUTPUTS]),
        (inputnode, csf, [(port, port) for port in ("in_files", "echo_times_s", "echo_stderr_files", "mask")]),
        (fit, csf, [*maps, ("s0map", "s0map")]),
        (inputnode, regions, [("mask", "mask")]),
        (fit, regions, maps),
        (csf, regions, [("csf_probability", "csf_probability"), ("info_file", "csf_info")]),
        (inputnode, first, [("in_files", "inlist")]),
        (first, budget, [("out", "first_echo")]),
        (inputnode, budget, [(port, port) for port in ("echo_times_s", "residual_file", "recon_info")]),
        (fit, budget, [("t2map", "t2map"), ("s0map", "s0map")]),
        (csf, budget, [("info_file", "csf_info")]),
        (csf, outputnode, [("csf_probability", "csf_probability")]),
        (regions, outputnode, [("region_table", "region_table"), ("region_info", "region_info")]),
        (budget, outputnode, [("budget_file", "budget_file")]),
    ])  # fmt: skip
    return workflow


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
