"""Denoise one stack."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec, traits

from fetalt2prep.core.denoise.options import DEFAULT_DENOISER, DENOISERS


class _DenoiseInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc="stack, slices last")
    in_mask = File(exists=True, desc="brain mask on the stack's grid; only its surroundings are denoised")
    method = traits.Enum(DEFAULT_DENOISER, tuple(DENOISERS), usedefault=True, desc="one of DENOISERS")
    weights = File(exists=True, desc="of unet, as train-denoiser leaves them, card beside; undefined: the package's")


class _DenoiseOutputSpec(TraitedSpec):
    out_file = File(exists=True, desc="denoised stack, same scale and grid")
    noise_sigma = traits.Float(desc="standard deviation of the noise before, scanner units")
    noise_floor = traits.Float(desc="the same as far as it still lifts dark pixels; 0 after a method that takes it off")
    note = traits.Str(desc="why another method was used than was asked for; empty where it was not")


class Denoise(SimpleInterface):
    """Denoise one stack on the scale it came with."""

    input_spec = _DenoiseInputSpec
    output_spec = _DenoiseOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from fetalt2prep.core.denoise.noise import estimate_noise_sigma
        from fetalt2prep.io.denoiser import denoise_stack
        from fetalt2prep.io.volume import read_volume, save_volume

        in_file = Path(self.inputs.in_file)
        pixels, affine, _ = read_volume(in_file)
        in_mask = self.inputs.in_mask
        mask = read_volume(Path(in_mask))[0] > 0 if isinstance(in_mask, str) else None
        sigma = estimate_noise_sigma(pixels, mask)
        weights = self.inputs.weights
        found = denoise_stack(
            self.inputs.method, pixels, sigma, mask, Path(weights) if isinstance(weights, str) else None
        )
        if found.note:
            logging.getLogger("nipype.interface").warning("%s: %s", in_file.name, found.note)
        out_file = save_volume(found.pixels, affine, Path(runtime.cwd) / in_file.name)
        self._results.update(out_file=str(out_file), noise_sigma=sigma, noise_floor=found.floor, note=found.note)
        return runtime
