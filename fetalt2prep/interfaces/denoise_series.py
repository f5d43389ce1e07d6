"""Denoise a long series of volumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec


class _DenoiseSeriesInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc="4-D series on one grid, slices third, 20 volumes or more")
    in_mask = File(exists=True, desc="mask on its grid; only patches that meet it are denoised")


class _DenoiseSeriesOutputSpec(TraitedSpec):
    out_file = File(exists=True, desc="denoised series, same scale and grid")
    noise_file = File(exists=True, desc="standard deviation of the noise, in the series' units")


class DenoiseSeries(SimpleInterface):
    """Marchenko-Pastur principal components of a dynamic series or a long train of echoes."""

    input_spec = _DenoiseSeriesInputSpec
    output_spec = _DenoiseSeriesOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        import numpy as np

        from fetalt2prep.core.denoise.mppca import denoise_mppca
        from fetalt2prep.io.stack import stack_name
        from fetalt2prep.io.volume import open_image, read_volume, save_volume

        in_file, in_mask = Path(self.inputs.in_file), self.inputs.in_mask
        image, _, affine = open_image(in_file)
        mask = read_volume(Path(in_mask))[0] > 0 if isinstance(in_mask, str) else None
        denoised, sigma = denoise_mppca(np.asarray(image.dataobj, dtype=np.float32), mask)
        name, cwd = stack_name(in_file), Path(runtime.cwd)
        self._results["out_file"] = str(save_volume(denoised, affine, cwd / f"{name}.nii.gz"))
        self._results["noise_file"] = str(save_volume(sigma, affine, cwd / f"{name}_noise.nii.gz"))
        return runtime
