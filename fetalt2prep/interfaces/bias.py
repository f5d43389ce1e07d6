"""Take the fields of the receive coils off the stacks of a session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    InputMultiObject,
    SimpleInterface,
    TraitedSpec,
    traits,
)


class _BiasFieldsInputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(File(exists=True), mandatory=True, desc="stacks, slices last, one intensity scale")
    masks = InputMultiObject(File(exists=True), mandatory=True, desc="brain mask of each stack")
    echo_times_s = traits.List(traits.Float, mandatory=True, desc="echo time of each stack, s")


class _BiasFieldsOutputSpec(TraitedSpec):
    out_files = traits.List(File(exists=True), desc="stacks divided by their fields, same order")
    field_files = traits.List(File(exists=True), desc="field of each position, on the grid of its first stack")
    info_file = File(exists=True, desc="JSON: stacks of each position, range of its field inside the masks")


class BiasFields(SimpleInterface):
    """Stacks divided by one smooth field for each position, which all echo times share: T2 stays what it was."""

    input_spec = _BiasFieldsInputSpec
    output_spec = _BiasFieldsOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        import json

        import numpy as np

        from fetalt2prep.core.bias.estimate import estimate_fields
        from fetalt2prep.core.bias.field import unbiased
        from fetalt2prep.interfaces.n4 import n4_log_field
        from fetalt2prep.io.stack import load_stack
        from fetalt2prep.io.volume import save_volume

        i, cwd = self.inputs, Path(runtime.cwd)
        stacks = [
            load_stack(Path(image), Path(mask), te_s=te_s)[0]
            for image, mask, te_s in zip(i.in_files, i.masks, i.echo_times_s, strict=True)
        ]
        out_files, field_files, told = [""] * len(stacks), [], []
        for number, (group, field) in enumerate(estimate_fields(stacks, n4_log_field), start=1):
            seen = []
            for index in group:
                stack, values = stacks[index], field.on(stacks[index])
                path = cwd / Path(i.in_files[index]).name
                out_files[index] = str(save_volume(unbiased(stack, values).pixels, stack.affine, path))
                seen.append(values[stack.mask])
                if index == group[0]:
                    path = cwd / f"position-{number}_bias.nii.gz"
                    field_files.append(str(save_volume(values, stack.affine, path)))
            low, high = (float(value) for value in np.percentile(np.concatenate(seen), (1, 99)))
            told.append(
                {
                    "stacks": [stacks[index].name for index in group],
                    "indices": group,
                    "field_percentiles_1_99": [low, high],
                }
            )
        info_file = cwd / "bias.json"
        info_file.write_text(json.dumps({"method": "n4", "positions": told}, indent=2) + "\n", encoding="utf-8")
        self._results.update(out_files=out_files, field_files=field_files, info_file=str(info_file))
        return runtime
