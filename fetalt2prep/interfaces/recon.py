"""Joint reconstruction of all stacks of a session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import File, SimpleInterface, TraitedSpec, traits

from fetalt2prep.core.recon.options import COIL_FIELDS, FIELDS, MODELS, MOTIONS, PROFILES
from fetalt2prep.interfaces.stack_inputs import MaskedStacksInputSpec, SliceFactsInputSpec, one_per_stack


class _JointReconInputSpec(MaskedStacksInputSpec, SliceFactsInputSpec):
    noise_sigmas = traits.List(
        traits.Either(None, traits.Float),
        desc="noise of each stack as acquired, scanner units; None or empty: estimated from the pixels given",
    )
    noise_floors = traits.List(
        traits.Either(None, traits.Float),
        desc="noise that still lifts dark pixels of each stack, scanner units; None or empty: its noise",
    )
    model = traits.Enum("decay", *(m for m in MODELS if m != "decay"), usedefault=True, desc="signal model")
    field = traits.Enum(*FIELDS, usedefault=True, desc="neural field")
    motion = traits.Enum(*MOTIONS, usedefault=True, desc="poses of slices: free, or from one small network")
    profile = traits.Enum(*PROFILES, usedefault=True, desc="profile of a slice along its normal")
    coil_field = traits.Enum(*COIL_FIELDS, usedefault=True, desc="smooth factor that stays in the scanner")
    resolution_mm = traits.Float(0.8, usedefault=True, desc="spacing of the reconstructed volumes, mm")
    alpha = traits.Either(None, traits.Float, desc="weight of the decay penalty; None: the stated rule")
    seed = traits.Int(0, usedefault=True, desc="seed")
    device = traits.Str("cpu", usedefault=True, desc="cpu, cuda or cuda:n; part of the hash, as bytes may differ")
    mem_mb = traits.Either(None, traits.Int, nohash=True, desc="memory of the whole process, MB; None: no limit")
    n_threads = traits.Range(low=1, value=1, usedefault=True, nohash=True, desc="threads of torch")
    use_gpu = traits.Bool(False, usedefault=True, nohash=True, desc="take a GPU slot of Nipype's MultiProc plugin")


class _JointReconOutputSpec(TraitedSpec):
    echo_files = traits.List(File(exists=True), desc="one volume per echo time, ascending, scanner units")
    te_s = traits.List(traits.Float, desc="their echo times, s")
    echo_stderr_files = traits.List(File(exists=True), desc="standard error of each echo")
    residual_file = File(exists=True, desc="RMS of measured minus predicted pixels, scanner units")
    density_file = File(exists=True, desc="slices that measure each voxel, summed over echo times")
    mask_file = File(exists=True, desc="where the reconstruction is defined")
    slice_table = File(exists=True, desc="TSV, one row per slice: pose, gain, weight, status")
    field_file = File(exists=True, desc="the fitted field (safetensors), to be sampled at other resolutions")
    info_file = File(exists=True, desc="JSON: course of the run, options, versions, seconds, memory")


class JointRecon(SimpleInterface):
    """Stacks of one session -> one volume per echo time on a world-aligned grid."""

    input_spec = _JointReconInputSpec
    output_spec = _JointReconOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        import torch

        from fetalt2prep.core.recon.within import plan, reconstruct_within
        from fetalt2prep.interfaces.account import Meter, resident_mb
        from fetalt2prep.interfaces.heap import kept_heap, tight_heap
        from fetalt2prep.interfaces.progress import Progress

        meter = Meter()
        options, stacks = self._options(), self._stacks()
        attempt = plan(stacks, options, resident_mb())
        heap = kept_heap if attempt.keep_heap else tight_heap
        n_threads = torch.get_num_threads()
        torch.set_num_threads(self.inputs.n_threads)
        try:
            with heap(), Progress() as progress:
                recon = reconstruct_within(stacks, options, attempt, progress)
        finally:
            torch.set_num_threads(n_threads)
        self._save(recon, options, meter, Path(runtime.cwd))
        return runtime

    def _options(self) -> Any:
        from fetalt2prep.core.recon.options import ReconOptions

        i = self.inputs
        alpha = i.alpha if isinstance(i.alpha, float) else None
        return ReconOptions(
            model=i.model,
            field=i.field,
            motion=i.motion,
            profile=i.profile,
            coil_field=i.coil_field,
            resolution_mm=i.resolution_mm,
            alpha=alpha,
            seed=i.seed,
            device=i.device,
            mem_mb=i.mem_mb if isinstance(i.mem_mb, int) else None,
        )

    def _stacks(self) -> list[Any]:
        from dataclasses import replace

        from fetalt2prep.io.stack import load_stack

        i = self.inputs
        names = ("masks", "echo_times_s", "thicknesses_mm", "slice_times_s", "noise_sigmas", "noise_floors")
        columns = [one_per_stack(i, name, len(i.in_files)) for name in names]
        stacks = []
        for image, mask, te_s, thickness, times, sigma, floor in zip(i.in_files, *columns, strict=True):
            stack, _ = load_stack(Path(image), Path(mask), te_s=te_s, thickness_mm=thickness, slice_times_s=times)
            stacks.append(replace(stack, noise_sigma=sigma, noise_floor=floor))
        return stacks

    def _save(self, recon: Any, options: Any, meter: Any, cwd: Path) -> None:
        import json
        from dataclasses import asdict

        from fetalt2prep.interfaces.account import software_versions
        from fetalt2prep.io.field_file import save_field
        from fetalt2prep.io.tables import write_tsv
        from fetalt2prep.io.volume import save_volume

        def save(values: Any, name: str, dtype: str = "f4") -> str:
            return str(save_volume(values, recon.affine, cwd / f"{name}.nii.gz", dtype))

        self._results.update(
            echo_files=[save(volume, f"echo-{n}") for n, volume in enumerate(recon.echoes, start=1)],
            te_s=[float(te) for te in recon.te_s],
            echo_stderr_files=[save(volume, f"echo-{n}_stderr") for n, volume in enumerate(recon.echo_stderr, start=1)],
            residual_file=save(recon.residual, "residual"),
            density_file=save(recon.density.sum(0), "density"),
            mask_file=save(recon.mask, "mask", "u1"),
            slice_table=str(write_tsv(recon.slices, cwd / "slices.tsv")),
            field_file=str(save_field(recon.field, cwd / "field.safetensors")),
            info_file=str(cwd / "recon.json"),
        )
        info = {
            **recon.info,
            "options": asdict(options),
            "n_threads": self.inputs.n_threads,
            "cost": meter.read(),
            "versions": software_versions(),
        }
        (cwd / "recon.json").write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")
