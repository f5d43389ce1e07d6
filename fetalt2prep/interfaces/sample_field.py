"""Volumes at other resolutions from a field that was fitted once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec, traits


class _SampleFieldInputSpec(BaseInterfaceInputSpec):
    field_file = File(exists=True, mandatory=True, desc="fitted field, as JointRecon saves it")
    resolutions_mm = traits.List(traits.Float, mandatory=True, minlen=1, desc="isotropic spacings, mm")


class _SampleFieldOutputSpec(TraitedSpec):
    echo_files = traits.List(
        traits.List(File(exists=True)), desc="for each spacing one volume per echo time, ascending, scanner units"
    )
    mask_files = traits.List(File(exists=True), desc="for each spacing, where the volumes are defined")
    t2maps = traits.List(File(exists=True), desc="T2, s; none with one echo time")
    s0maps = traits.List(File(exists=True), desc="signal at echo time zero, scanner units; none with one echo time")
    t2_stderr_files = traits.List(File(exists=True), desc="standard error of T2, s; none with one echo time")


class SampleField(SimpleInterface):
    """Sample a fitted field on world-aligned grids of other spacings, and fit T2 there."""

    input_spec = _SampleFieldInputSpec
    output_spec = _SampleFieldOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from fetalt2prep.core.recon.fitted import sample
        from fetalt2prep.io.field_file import load_field
        from fetalt2prep.io.sampled import res_label, save_sampled

        fitted, cwd = load_field(Path(self.inputs.field_file)), Path(runtime.cwd)
        files = [
            save_sampled(sample(fitted, *fitted.grid_at(spacing)), cwd, f"res-{res_label(spacing)}_")
            for spacing in self.inputs.resolutions_mm
        ]
        self._results.update(
            echo_files=[[str(path) for path in one.echoes] for one in files],
            mask_files=[str(one.mask) for one in files],
            t2maps=[str(one.t2map) for one in files if one.t2map],
            s0maps=[str(one.s0map) for one in files if one.s0map],
            t2_stderr_files=[str(one.t2_stderr) for one in files if one.t2_stderr],
        )
        return runtime
