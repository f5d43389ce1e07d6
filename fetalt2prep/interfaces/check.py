"""Check the stacks of a session and lay them down in one form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import File, SimpleInterface, TraitedSpec, traits

from fetalt2prep.interfaces.stack_inputs import SliceFactsInputSpec, one_per_stack


class _CheckStacksInputSpec(SliceFactsInputSpec):
    in_files = traits.List(File(exists=True), mandatory=True, minlen=1, desc="stacks")
    masks = traits.List(
        traits.Either(None, File(exists=True)), desc="brain masks, one per stack (None: not given), or empty"
    )
    echo_times_s = traits.List(traits.Float, mandatory=True, desc="echo time of each stack, s")
    slice_directions = traits.List(
        traits.Either(None, traits.Str),
        desc="SliceEncodingDirection of each stack; None or empty: from the sidecar beside the stack, else k",
    )


class _CheckStacksOutputSpec(TraitedSpec):
    out_files = traits.List(File(exists=True), desc="usable stacks, slices last, finite and not negative")
    masks = traits.List(traits.Either(None, File(exists=True)), desc="their masks; None where none was given")
    echo_times_s = traits.List(traits.Float, desc="their echo times, s")
    thicknesses_mm = traits.List(traits.Float, desc="their slice thicknesses, mm")
    slice_times_s = traits.List(traits.List(traits.Float), desc="their slice times, s; empty: unknown")
    stack_table = File(exists=True, desc="TSV, one row per stack that was given")


class CheckStacks(SimpleInterface):
    """Set aside stacks that cannot be used, and write the others with slices last, on their own scale.

    Fails only when no stack is left; the message then holds each reason.
    """

    input_spec = _CheckStacksInputSpec
    output_spec = _CheckStacksOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from fetalt2prep.interfaces.stack_table import checked_row, set_aside_row, unique_names
        from fetalt2prep.io.sidecar import InputError, together
        from fetalt2prep.io.stack import load_stack
        from fetalt2prep.io.tables import write_tsv
        from fetalt2prep.io.volume import save_volume

        i, cwd = self.inputs, Path(runtime.cwd)
        files = [Path(path) for path in i.in_files]
        optional = ("masks", "thicknesses_mm", "slice_times_s", "slice_directions")
        per_stack = {name: one_per_stack(i, name, len(files)) for name in ("echo_times_s", *optional)}
        kept: dict[str, list[Any]] = {name: [] for name in self.output_spec().get() if name != "stack_table"}
        rows = []
        for n, (image, name) in enumerate(zip(files, unique_names(files), strict=True)):
            mask = per_stack["masks"][n]
            te_s = per_stack["echo_times_s"][n]
            try:
                stack, notes = load_stack(
                    image,
                    None if mask is None else Path(mask),
                    te_s=te_s,
                    thickness_mm=per_stack["thicknesses_mm"][n],
                    slice_times_s=per_stack["slice_times_s"][n],
                    direction=per_stack["slice_directions"][n],
                )
            except InputError as error:
                rows.append(set_aside_row(name, te_s, str(error)))
                continue
            rows.append(checked_row(stack, name, notes, mask_given=mask is not None))
            out_mask = None
            if mask is not None:
                out_mask = str(save_volume(stack.mask, stack.affine, cwd / f"{name}_mask.nii.gz", "u1"))
            times = [] if stack.slice_times_s is None else stack.slice_times_s.tolist()
            kept["out_files"].append(str(save_volume(stack.pixels, stack.affine, cwd / f"{name}.nii.gz")))
            kept["masks"].append(out_mask)
            kept["echo_times_s"].append(stack.te_s)
            kept["thicknesses_mm"].append(stack.thickness_mm)
            kept["slice_times_s"].append(times)
        if not kept["out_files"]:
            raise InputError("No stack can be used. " + together([str(row["notes"]) for row in rows]))
        columns = {column: [row[column] for row in rows] for column in rows[0]}
        self._results.update(kept, stack_table=str(write_tsv(columns, cwd / "stacks.tsv")))
        return runtime
