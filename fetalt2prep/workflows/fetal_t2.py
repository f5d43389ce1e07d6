"""The whole way: stacks of one session in, T2 map out."""

from __future__ import annotations

from collections.abc import Sequence

from nipype.interfaces.utility import IdentityInterface
from nipype.pipeline import engine as pe

from fetalt2prep.core.denoise.options import DEFAULT_DENOISER
from fetalt2prep.core.quality.options import QualityOptions
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.core.t2.options import T2Context, T2Options
from fetalt2prep.interfaces.audit import AuditHeaders
from fetalt2prep.interfaces.check import CheckStacks
from fetalt2prep.interfaces.sample_field import SampleField
from fetalt2prep.interfaces.slices import MarkSlices
from fetalt2prep.workflows.bias import init_bias_wf
from fetalt2prep.workflows.denoise import init_denoise_wf
from fetalt2prep.workflows.mask import OUTPUTS as OF_MASKS
from fetalt2prep.workflows.mask import init_mask_wf
from fetalt2prep.workflows.quality import init_quality_wf
from fetalt2prep.workflows.recon import init_recon_wf
from fetalt2prep.workflows.t2 import init_t2_wf

PER_STACK = ["echo_times_s", "thicknesses_mm", "slice_times_s"]
INPUTS = ["stacks", "masks", *PER_STACK, "slice_directions"]
NOISE = ["noise_sigmas", "noise_floors"]
RECON_OUTPUTS = {
    "echo_files": "echo_files",
    "te_s": "te_s",
    "mask_file": "brain_mask",
    "field_file": "field_file",
    "info_file": "recon_info",
    "residual_file": "residual",
    "density_file": "density",
}
T2_INPUTS = {
    "echo_files": "in_files",
    "te_s": "echo_times_s",
    "echo_stderr_files": "echo_stderr_files",
    "residual_file": "residual_file",
    "mask_file": "mask",
    "info_file": "recon_info",
}
T2_OUTPUTS = {
    "t2map": "t2map",
    "s0map": "s0map",
    "t2_stderr": "t2_stderr",
    "rmse": "rmse",
    "valid": "valid",
    "info_file": "t2_info",
    **{port: port for port in ("csf_probability", "region_table", "region_info", "budget_file")},
}

SAMPLED_OUTPUTS = {
    "echo_files": "sampled_echo_files",
    "mask_files": "sampled_masks",
    "t2maps": "sampled_t2maps",
    "s0maps": "sampled_s0maps",
    "t2_stderr_files": "sampled_t2_stderr",
}


def init_fetal_t2_wf(
    *,
    mask_method: str = "network",
    mask_model: str | None = None,
    denoise: str = DEFAULT_DENOISER,
    bias: str = "n4",
    quality: QualityOptions | None = None,
    recon: ReconOptions | None = None,
    reconstruct: bool = True,
    fit_t2: bool = True,
    t2: T2Options | None = None,
    context: T2Context | None = None,
    sample_mm: Sequence[float] = (),
    n_threads: int = 1,
    mem_gb: float = 3,
    name: str = "fetal_t2_wf",
) -> pe.Workflow:
    """Check -> mask -> quality -> denoise -> bias -> recon -> t2, for all stacks of one session.

    Parameters
    ----------
    mask_method, mask_model
        For stacks without a mask: ``network`` or ``classical``; a file with another network than the package's.
    denoise
        One of :data:`fetalt2prep.core.denoise.options.DENOISERS`.
    bias
        ``n4``: the stacks are divided by the field of the coils (:func:`.bias.init_bias_wf`); ``none``: they are not,
        and the outputs of that step are left out.
    quality
        Choice of stacks, consensus of masks, gestational age; None: the defaults.
    recon
        Options of the reconstruction; None: the defaults.
    reconstruct
        False ends with the masked, denoised stacks: neither bias, reconstruction nor T2, and none of their outputs.
    fit_t2
        False leaves out the T2 step and its outputs; for stacks of a single echo time.
    t2, context
        Options of the T2 fit; segmentation, age and protocol of the session. None: the defaults, nothing known.
    sample_mm
        Further spacings, mm, at which the fitted field is sampled; empty leaves out that step and its outputs.
    n_threads, mem_gb
        Threads of the network and the reconstruction, and memory that Nipype sets aside for the latter.

    Inputs
    ------
    stacks
        NIfTI files on one intensity scale.
    masks
        Brain mask of each stack (None: not given), or an empty list: the brain is looked for.
    echo_times_s
        Echo time of each stack, seconds.
    thicknesses_mm
        Slice thickness of each stack, mm; unset, or None for a stack: the slice spacing.
    slice_times_s
        Times of the slices of each stack, seconds, in the order of the array; unset, or None or an empty
        list for a stack: unknown.
    slice_directions
        SliceEncodingDirection of each stack; unset, or None for a stack: as the sidecar beside it says, else
        ``k``.

    Outputs
    -------
    stacks, stack_masks
        Stacks that entered the reconstruction, denoised and divided by that field, slices last; their masks.
    denoise_notes
        Of each of these stacks why another denoiser was used than was asked for; empty where it was not.
    stack_table
        One row per stack, with the reason where one was set aside (TSV).
    quality_table, audit_table
        One row per stack: measures and verdicts; one row per finding in the headers (TSV). Also when no stack is left.
    bias_field, bias_info
        Field of the receive coils on a coarse grid; method and range (JSON). Only with ``bias``.
    echo_files, te_s
        Reconstructed volumes by ascending echo time, scanner units; the times, seconds.
    brain_mask, residual
        Where they are defined; RMS of measured minus predicted pixels, scanner units.
    density
        Effective number of slices that measure each voxel, summed over echo times.
    slice_table, field_file, recon_info
        One row per slice (TSV); the fitted field (safetensors); account of the reconstruction (JSON).
    t2map, s0map, t2_stderr, rmse, valid, t2_info
        T2 (s), signal at echo time zero, standard error of T2 (s), residual of the fit, reason codes,
        account of the fit (JSON). Only with ``fit_t2``.
    csf_probability, region_table, region_info, budget_file
        Probability of 5 % fluid or more in a voxel, T2 of regions (TSV, JSON), bias budget (JSON). Only with
        ``fit_t2``.
    sampled_echo_files, sampled_masks, sampled_t2maps, sampled_s0maps, sampled_t2_stderr
        The same at the spacings of ``sample_mm``, a list for each; no T2 with one echo time. Only with ``sample_mm``.
    """
    fit_t2 = fit_t2 and reconstruct
    outputs = ["stacks", "stack_masks", "stack_table", "quality_table", "audit_table", "denoise_notes"]
    outputs += [*RECON_OUTPUTS.values(), "slice_table"] if reconstruct else []
    outputs += ["bias_field", "bias_info"] if reconstruct and bias != "none" else []
    outputs += T2_OUTPUTS.values() if fit_t2 else []
    outputs += SAMPLED_OUTPUTS.values() if sample_mm and reconstruct else []
    workflow = pe.Workflow(name=name)
    inputnode = pe.Node(IdentityInterface(fields=INPUTS), name="inputnode")
    outputnode = pe.Node(IdentityInterface(fields=outputs), name="outputnode")
    check = pe.Node(CheckStacks(), name="check")
    audit = pe.Node(AuditHeaders(), name="audit")
    mask_wf = init_mask_wf(method=mask_method, model_file=mask_model, n_threads=n_threads)
    quality_wf = init_quality_wf(quality)
    denoise_wf = init_denoise_wf(denoise)
    into_check = [("stacks", "in_files"), *((port, port) for port in INPUTS[1:])]
    into_audit = [(port, port) for port in ("echo_times_s", "thicknesses_mm", "slice_directions")]
    into_quality = [("out_files", "inputnode.in_files")]
    into_quality += [(port, f"inputnode.{port}") for port in (*PER_STACK, "stack_table")]
    chosen = [(f"outputnode.{port}", f"inputnode.{port}") for port in ("masks", *PER_STACK)]
    workflow.connect([
        (inputnode, check, into_check),
        (inputnode, audit, [("stacks", "in_files"), *into_audit]),
        (check, mask_wf, [("out_files", "inputnode.in_files"), ("masks", "inputnode.masks")]),
        (check, quality_wf, into_quality),
        (audit, quality_wf, [("audit_table", "inputnode.audit_table")]),
        (mask_wf, quality_wf, [(f"outputnode.{port}", f"inputnode.{port}") for port in OF_MASKS.values()]),
        (quality_wf, denoise_wf, [("outputnode.out_files", "inputnode.in_files")]),
        (quality_wf, denoise_wf, [("outputnode.masks", "inputnode.masks")]),
        (denoise_wf, outputnode, [("outputnode.notes", "denoise_notes")]),
        (quality_wf, outputnode, [("outputnode.masks", "stack_masks")]),
        (quality_wf, outputnode, [(f"outputnode.{port}", port) for port in ("stack_table", "quality_table")]),
        (audit, outputnode, [("audit_table", "audit_table")]),
    ])  # fmt: skip
    last_wf = denoise_wf
    if reconstruct and bias != "none":
        last_wf = _add_bias(workflow, denoise_wf, quality_wf, outputnode)
    workflow.connect([(last_wf, outputnode, [("outputnode.out_files", "stacks")])])
    if not reconstruct:
        return workflow
    mark = pe.Node(MarkSlices(), name="mark_slices")
    recon_wf = init_recon_wf(recon, n_threads=n_threads, mem_gb=mem_gb)
    workflow.connect([
        (last_wf, recon_wf, [("outputnode.out_files", "inputnode.in_files")]),
        (denoise_wf, recon_wf, [(f"outputnode.{port}", f"inputnode.{port}") for port in NOISE]),
        (quality_wf, recon_wf, chosen),
        (recon_wf, outputnode, [(f"outputnode.{port}", name) for port, name in RECON_OUTPUTS.items()]),
        (recon_wf, mark, [("outputnode.slice_table", "slice_table")]),
        (quality_wf, mark, [("outputnode.slice_quality", "slice_quality")]),
        (mark, outputnode, [("slice_table", "slice_table")]),
    ])  # fmt: skip
    if fit_t2:
        t2_wf = init_t2_wf(t2, context)
        workflow.connect([
            (recon_wf, t2_wf, [(f"outputnode.{a}", f"inputnode.{b}") for a, b in T2_INPUTS.items()]),
            (t2_wf, outputnode, [(f"outputnode.{port}", name) for port, name in T2_OUTPUTS.items()]),
        ])  # fmt: skip
    if sample_mm:
        sample = pe.Node(SampleField(resolutions_mm=list(sample_mm)), name="sample")
        workflow.connect([
            (recon_wf, sample, [("outputnode.field_file", "field_file")]),
            (sample, outputnode, list(SAMPLED_OUTPUTS.items())),
        ])  # fmt: skip
    return workflow


def _add_bias(
    workflow: pe.Workflow, denoise_wf: pe.Workflow, quality_wf: pe.Workflow, outputnode: pe.Node
) -> pe.Workflow:
    """Divide the denoised stacks by the field of the coils, which is an output too."""
    bias_wf = init_bias_wf()
    workflow.connect([
        (denoise_wf, bias_wf, [("outputnode.out_files", "inputnode.in_files")]),
        (quality_wf, bias_wf, [(f"outputnode.{port}", f"inputnode.{port}") for port in ("masks", "echo_times_s")]),
        (bias_wf, outputnode, [("outputnode.field_file", "bias_field"), ("outputnode.info_file", "bias_info")]),
    ])  # fmt: skip
    return bias_wf
