"""Denoise one stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec, traits

METHODS = ("nlm", "none")


class _DenoiseInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc="stack, slices last")
    in_mask = File(exists=True, desc="brain mask on the stack's grid; only its surroundings are denoised")
    method = traits.Enum(*METHODS, usedefault=True, desc="nlm: non-local means in each slice; none: as it is")


class _DenoiseOutputSpec(TraitedSpec):
    out_file = File(exists=True, desc="denoised stack, same scale and grid")
    noise_sigma = traits.Float(desc="standard deviation of the noise before, scanner units")


class Denoise(SimpleInterface):
    """Denoise one stack on the scale it came with."""

    input_spec = _DenoiseInputSpec
    output_spec = _DenoiseOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from fetalt2prep.core.denoise.nlm import denoise_nlm
        from fetalt2prep.core.denoise.noise import estimate_noise_sigma
        from fetalt2prep.io.volume import read_volume, save_volume

        in_file = Path(self.inputs.in_file)
        pixels, affine, _ = read_volume(in_file)
        in_mask = self.inputs.in_mask
        mask = read_volume(Path(in_mask))[0] > 0 if isinstance(in_mask, str) else None
        sigma = estimate_noise_sigma(pixels, mask)
        denoised = denoise_nlm(pixels, sigma, mask) if self.inputs.method == "nlm" else pixels
        out_file = save_volume(denoised, affine, Path(runtime.cwd) / in_file.name)
        self._results.update(out_file=str(out_file), noise_sigma=sigma)
        return runtime
