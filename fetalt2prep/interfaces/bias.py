"""Take the field of the receive coils off the stacks of a session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import File, SimpleInterface, TraitedSpec, traits

from fetalt2prep.interfaces.stack_inputs import MaskedStacksInputSpec

PERCENTILES = (1, 50, 99)


class _BiasFieldOutputSpec(TraitedSpec):
    out_files = traits.List(File(exists=True), desc="stacks divided by the field, same order")
    field_file = File(exists=True, desc="the field on a coarse grid in scanner space, mean 1 inside the masks")
    info_file = File(exists=True, desc="JSON: method, and percentiles of the field inside the masks")


class BiasField(SimpleInterface):
    """Stacks divided by one smooth field that all positions and echo times share: T2 stays what it was."""

    input_spec = MaskedStacksInputSpec
    output_spec = _BiasFieldOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        import json

        import numpy as np

        from fetalt2prep.core.bias.estimate import estimate_field
        from fetalt2prep.core.bias.field import unbiased
        from fetalt2prep.interfaces.n4 import n4_log_field
        from fetalt2prep.io.stack import load_stack
        from fetalt2prep.io.volume import save_volume

        i, cwd = self.inputs, Path(runtime.cwd)
        stacks = [
            load_stack(Path(image), Path(mask), te_s=te_s)[0]
            for image, mask, te_s in zip(i.in_files, i.masks, i.echo_times_s, strict=True)
        ]
        field = estimate_field(stacks, n4_log_field)
        out_files, inside = [], []
        for image, stack in zip(i.in_files, stacks, strict=True):
            there = field.on(stack)
            inside.append(there[stack.mask])
            out_files.append(str(save_volume(unbiased(stack, there).pixels, stack.affine, cwd / Path(image).name)))
        levels = np.percentile(np.concatenate(inside), PERCENTILES)
        info = {"method": "n4", "percentiles": dict(zip(map(str, PERCENTILES), map(float, levels), strict=True))}
        info_file = cwd / "bias.json"
        info_file.write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")
        field_file = save_volume(np.exp(field.log_field), field.grid.affine, cwd / "field_of_coils.nii.gz")
        self._results.update(out_files=out_files, field_file=str(field_file), info_file=str(info_file))
        return runtime
