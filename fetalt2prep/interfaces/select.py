"""Which stacks enter the reconstruction, now that all have a mask."""

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

MAX_DISTANCE_MM = 60.0
"""A head whose centre lies farther from the others' is not the same head, or its header is wrong."""


class _SelectStacksInputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(File(exists=True), mandatory=True, desc="stacks")
    masks = InputMultiObject(File(exists=True), mandatory=True, desc="their brain masks, some perhaps empty")
    sources = InputMultiObject(traits.Str, mandatory=True, desc="where each mask comes from")
    confidences = InputMultiObject(traits.Any, mandatory=True, desc="confidence of each mask; None: given")
    reasons = InputMultiObject(traits.Str, mandatory=True, desc="what there is to say of each mask")
    echo_times_s = traits.List(traits.Float, mandatory=True, desc="echo time of each stack, s")
    thicknesses_mm = traits.List(traits.Float, mandatory=True, desc="slice thickness of each stack, mm")
    slice_times_s = traits.List(traits.List(traits.Float), mandatory=True, desc="slice times of each stack, s")
    stack_table = File(exists=True, mandatory=True, desc="TSV of all stacks that were given")


class _SelectStacksOutputSpec(TraitedSpec):
    out_files = traits.List(File(exists=True), desc="stacks that enter the reconstruction")
    masks = traits.List(File(exists=True), desc="their brain masks")
    echo_times_s = traits.List(traits.Float, desc="their echo times, s")
    thicknesses_mm = traits.List(traits.Float, desc="their slice thicknesses, mm")
    slice_times_s = traits.List(traits.List(traits.Float), desc="their slice times, s; empty: unknown")
    stack_table = File(exists=True, desc="TSV of all stacks, completed")


class SelectStacks(SimpleInterface):
    """Set aside stacks without a brain, or whose brain lies elsewhere than the others'; complete the table.

    Fails only when no stack is left; the message then holds each reason.
    """

    input_spec = _SelectStacksInputSpec
    output_spec = _SelectStacksOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        import numpy as np

        from fetalt2prep.core.mask.agreement import distance_from_others_mm
        from fetalt2prep.io.sidecar import InputError
        from fetalt2prep.io.stack import stack_name
        from fetalt2prep.io.tables import MISSING, read_tsv, write_tsv
        from fetalt2prep.io.volume import read_volume

        i = self.inputs
        names = [stack_name(Path(path)) for path in i.in_files]
        table: dict[str, list[Any]] = dict(read_tsv(Path(i.stack_table)))
        row_of = {name: row for row, name in enumerate(table["stack"])}
        centres = np.full((len(names), 3), np.nan)
        why_not: dict[str, str] = {}
        for n, (name, path) in enumerate(zip(names, i.masks, strict=True)):
            mask, affine, _ = read_volume(Path(path))
            row, voxels = row_of[name], np.argwhere(mask > 0)
            table["n_mask_pixels"][row] = len(voxels)
            table["mask_source"][row] = i.sources[n]
            table["mask_confidence"][row] = i.confidences[n]
            notes = [table["notes"][row], f"mask: {i.reasons[n]}" if i.reasons[n] else MISSING]
            table["notes"][row] = "; ".join(note for note in notes if note != MISSING)
            if len(voxels):
                centres[n] = affine[:3, :3] @ voxels.mean(0) + affine[:3, 3]
            else:
                why_not[name] = f"{name}: {i.reasons[n] or 'the brain mask is empty'}"
        for name, distance in zip(names, distance_from_others_mm(centres, MAX_DISTANCE_MM), strict=True):
            if distance > MAX_DISTANCE_MM:
                why_not[name] = (
                    f"{name}: its brain mask lies {distance:.0f} mm from those of the other stacks (limit "
                    f"{MAX_DISTANCE_MM:.0f} mm). Check the mask and the header."
                )
        for name, reason in why_not.items():
            table["status"][row_of[name]], table["notes"][row_of[name]] = "set-aside", reason
        chosen = [n for n, name in enumerate(names) if name not in why_not]
        if not chosen:
            reasons = [note for note, status in zip(table["notes"], table["status"], strict=True) if status != "used"]
            raise InputError("No stack can be used. " + " | ".join(reasons))
        for port, values in (
            ("out_files", i.in_files), ("masks", i.masks), ("echo_times_s", i.echo_times_s),
            ("thicknesses_mm", i.thicknesses_mm), ("slice_times_s", i.slice_times_s),
        ):  # fmt: skip
            self._results[port] = [values[n] for n in chosen]
        self._results["stack_table"] = str(write_tsv(table, Path(runtime.cwd) / "stacks.tsv"))
        return runtime
