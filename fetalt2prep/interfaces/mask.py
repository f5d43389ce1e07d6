"""Brain mask of one stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec, traits


class _BrainMaskInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc="stack, slices last")
    in_mask = traits.Either(None, File(exists=True), desc="mask that was given; None: look for the brain")
    method = traits.Enum("network", "classical", usedefault=True, desc="how to look for it first")
    model_file = File(exists=True, desc="network: safetensors, TorchScript or ONNX; undefined: the package's own")
    n_threads = traits.Range(low=1, value=1, usedefault=True, nohash=True, desc="threads of torch")


class _BrainMaskOutputSpec(TraitedSpec):
    out_file = File(exists=True, desc="brain mask on the stack's grid; empty when nothing was found")
    confidence = traits.Either(None, traits.Float, desc="0 to 1; None for a given mask")
    source = traits.Enum("given", "network", "classical", desc="where the mask comes from")
    reasons = traits.Str(desc="why the confidence is what it is, or why nothing was found")


class BrainMask(SimpleInterface):
    """Take the given mask, else look for the brain: by the network, and where it is not sure, by the classical method.

    Finding nothing is an answer (an empty mask, confidence 0 and the reason): a session may go on without
    the stack.
    """

    input_spec = _BrainMaskInputSpec
    output_spec = _BrainMaskOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from fetalt2prep.io.mask import load_mask
        from fetalt2prep.io.stack import stack_name
        from fetalt2prep.io.volume import read_volume, save_volume

        in_file, in_mask = Path(self.inputs.in_file), self.inputs.in_mask
        pixels, affine, _ = read_volume(in_file)
        out_file = Path(runtime.cwd) / f"{stack_name(in_file)}_mask.nii.gz"
        if isinstance(in_mask, str):
            mask, notes = load_mask(Path(in_mask), pixels.shape, affine, in_file.name)
            self._results.update(source="given", confidence=None, reasons="; ".join(notes))
        else:
            found = self._look(pixels, affine)
            mask = found.guess.mask
            self._results.update(
                source=found.source, confidence=found.guess.confidence, reasons="; ".join(found.guess.reasons)
            )
        self._results["out_file"] = str(save_volume(mask, affine, out_file, "u1"))
        return runtime

    def _look(self, pixels: Any, affine: Any) -> Any:
        """The mask that is found, as :class:`fetalt2prep.core.mask.choose.ChosenMask`."""
        import torch

        from fetalt2prep.core.mask.choose import choose_brain
        from fetalt2prep.io.mask_model import load_mask_model

        model_file = self.inputs.model_file
        path = Path(model_file) if isinstance(model_file, str) else None
        n_threads = torch.get_num_threads()
        torch.set_num_threads(self.inputs.n_threads)
        try:
            load = (lambda: load_mask_model(path)) if self.inputs.method == "network" else None
            return choose_brain(pixels, affine, load)
        finally:
            torch.set_num_threads(n_threads)
