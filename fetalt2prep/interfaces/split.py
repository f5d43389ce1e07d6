"""Volumes of files with several echo times, as stacks of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec, traits


class _SplitVolumesInputSpec(BaseInterfaceInputSpec):
    in_files = traits.List(File(exists=True), mandatory=True, minlen=1, desc="images")
    volumes = traits.List(
        traits.Either(None, traits.Int), mandatory=True, desc="volume of each to take; None: the file is handed on"
    )
    names = traits.List(traits.Str, mandatory=True, desc="name of each stack, without extension")


class _SplitVolumesOutputSpec(TraitedSpec):
    out_files = traits.List(File(exists=True), desc="one stack each, in the order given")


class SplitVolumes(SimpleInterface):
    """Write one volume of each 4-D file, with its header, under the name of the stack."""

    input_spec = _SplitVolumesInputSpec
    output_spec = _SplitVolumesOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from fetalt2prep.io.volume import write_volume_of

        i, cwd = self.inputs, Path(runtime.cwd)
        self._results["out_files"] = [
            path if volume is None else str(write_volume_of(Path(path), volume, cwd / f"{name}.nii.gz"))
            for path, volume, name in zip(i.in_files, i.volumes, i.names, strict=True)
        ]
        return runtime
