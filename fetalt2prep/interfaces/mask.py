"""Brain mask of one stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec, traits


class _BrainMaskInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc="stack, slices last")
    in_mask = traits.Either(None, File(exists=True), desc="mask that was given; None: look for the brain")


class _BrainMaskOutputSpec(TraitedSpec):
    out_file = File(exists=True, desc="brain mask on the stack's grid; empty when nothing was found")
    confidence = traits.Either(None, traits.Float, desc="0 to 1; None for a given mask")
    source = traits.Enum("given", "classical", desc="where the mask comes from")
    reasons = traits.Str(desc="why the confidence is what it is, or why nothing was found")


class BrainMask(SimpleInterface):
    """Take the given mask, else look for the brain without any trained model.

    Finding nothing is an answer (an empty mask, confidence 0 and the reason): a session may go on without
    the stack.
    """

    input_spec = _BrainMaskInputSpec
    output_spec = _BrainMaskOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        import numpy as np

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
            from fetalt2prep.core.mask.classical import find_brain

            try:
                found = find_brain(pixels, affine)
                mask = found.mask
                self._results.update(confidence=found.confidence, reasons="; ".join(found.reasons))
            except ValueError as error:
                mask = np.zeros(pixels.shape, dtype=np.bool_)
                self._results.update(confidence=0.0, reasons=str(error))
            self._results["source"] = "classical"
        self._results["out_file"] = str(save_volume(mask, affine, out_file, "u1"))
        return runtime
