"""Joint reconstruction of a session."""

from __future__ import annotations

from nipype.interfaces.utility import IdentityInterface
from nipype.pipeline import engine as pe

from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.interfaces.recon import JointRecon

INPUTS = ["in_files", "masks", "echo_times_s", "thicknesses_mm", "slice_times_s", "noise_sigmas", "noise_floors"]
OUTPUTS = [
    "echo_files",
    "te_s",
    "echo_stderr_files",
    "residual_file",
    "density_file",
    "mask_file",
    "slice_table",
    "field_file",
    "info_file",
]


def init_recon_wf(
    recon: ReconOptions | None = None, *, n_threads: int = 1, mem_gb: float = 3, name: str = "recon_wf"
) -> pe.Workflow:
    """Reconstruct one volume per echo time from all stacks of a session.

    Parameters
    ----------
    recon
        Options of the reconstruction; None: the defaults.
    n_threads, mem_gb
        Threads it uses, and memory that Nipype sets aside for it.

    Inputs
    ------
    in_files, masks
        Stacks on one intensity scale, and their brain masks.
    echo_times_s, thicknesses_mm, slice_times_s
        One entry per stack.
    noise_sigmas
        Noise of each stack as acquired, scanner units; unset, or None for a stack: estimated from its pixels, which
        must then not be denoised.
    noise_floors
        The same as far as it still lifts dark pixels (0 after a denoiser that takes it off); unset, or None for a
        stack: its noise.

    Outputs
    -------
    echo_files, te_s
        Volumes by ascending echo time, and the times.
    echo_stderr_files, residual_file
        Standard error of each echo; residual of the reconstruction.
    density_file
        Effective number of slices that measure each voxel, summed over echo times.
    mask_file
        Where the volumes are defined.
    slice_table, field_file, info_file
        One row per slice (TSV); the fitted field (safetensors); the account of the run (JSON).
    """
    recon = recon or ReconOptions()
    workflow = pe.Workflow(name=name)
    inputnode = pe.Node(IdentityInterface(fields=INPUTS), name="inputnode")
    outputnode = pe.Node(IdentityInterface(fields=OUTPUTS), name="outputnode")
    interface = JointRecon(
        model=recon.model,
        field=recon.field,
        motion=recon.motion,
        profile=recon.profile,
        coil_field=recon.coil_field,
        resolution_mm=recon.resolution_mm,
        seed=recon.seed,
        device=recon.device,
        n_threads=n_threads,
        use_gpu=recon.device.startswith("cuda"),
    )
    if recon.alpha is not None:
        interface.inputs.alpha = recon.alpha
    if recon.mem_mb is not None:
        interface.inputs.mem_mb = recon.mem_mb
    joint = pe.Node(interface, name="recon", n_procs=n_threads, mem_gb=mem_gb)
    workflow.connect([
        (inputnode, joint, [(port, port) for port in INPUTS]),
        (joint, outputnode, [(port, port) for port in OUTPUTS]),
    ])  # fmt: skip
    return workflow
