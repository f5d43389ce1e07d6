"""Which stacks enter the reconstruction, now that all were judged."""

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
    quality_table = File(exists=True, mandatory=True, desc="TSV of AssessStacks: which stacks are used, and why")
    audit_table = File(exists=True, mandatory=True, desc="TSV of the header audit")
    selection = File(exists=True, desc="TSV with the user's choice, if there is one")


class _SelectStacksOutputSpec(TraitedSpec):
    out_files = traits.List(File(exists=True), desc="stacks that enter the reconstruction")
    masks = traits.List(File(exists=True), desc="their brain masks")
    echo_times_s = traits.List(traits.Float, desc="their echo times, s")
    thicknesses_mm = traits.List(traits.Float, desc="their slice thicknesses, mm")
    slice_times_s = traits.List(traits.List(traits.Float), desc="their slice times, s; empty: unknown")
    stack_table = File(exists=True, desc="TSV of all stacks, completed")


class SelectStacks(SimpleInterface):
    """Take the stacks that the quality table says are used; complete the table of stacks with all reasons.

    Fails when no stack is left; the message then holds each reason. A stack that the user left out has the status
    ``excluded``; one that could not be believed, ``set-aside``.
    """

    input_spec = _SelectStacksInputSpec
    output_spec = _SelectStacksOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        import numpy as np

        from fetalt2prep.io.selection import read_selection
        from fetalt2prep.io.stack import stack_name
        from fetalt2prep.io.tables import MISSING, read_tsv, write_tsv
        from fetalt2prep.io.volume import read_volume

        i = self.inputs
        names = [stack_name(Path(path)) for path in i.in_files]
        table: dict[str, list[Any]] = dict(read_tsv(Path(i.stack_table)))
        row_of = {name: row for row, name in enumerate(table["stack"])}
        quality, audit = read_tsv(Path(i.quality_table)), read_tsv(Path(i.audit_table))
        use = dict(zip(quality["stack"], quality["use"], strict=True))
        said = dict(zip(quality["stack"], quality["reason"], strict=True))
        asked = read_selection(Path(i.selection)) if isinstance(i.selection, str) else {}
        for n, (name, path) in enumerate(zip(names, i.masks, strict=True)):
            row = row_of[name]
            table["n_mask_pixels"][row] = int(np.count_nonzero(read_volume(Path(path))[0] > 0))
            table["mask_source"][row] = i.sources[n]
            table["mask_confidence"][row] = i.confidences[n]
            header = [
                f"header: {found}"
                for stack, level, found in zip(audit["stack"], audit["level"], audit["found"], strict=True)
                if stack == name and level != "info" and found not in said[name]
            ]
            notes = [table["notes"][row], f"mask: {i.reasons[n]}" if i.reasons[n] else MISSING, said[name], *header]
            if use[name] == "true":
                table["notes"][row] = "; ".join(note for note in notes if note != MISSING)
                continue
            excluded = name in asked and not asked[name].use
            table["status"][row] = "excluded" if excluded else "set-aside"
            reasons = [i.reasons[n] or MISSING, said[name]] if not table["n_mask_pixels"][row] else [said[name]]
            table["notes"][row] = f"{name}: " + "; ".join(reason for reason in reasons if reason != MISSING)
        chosen = [n for n, name in enumerate(names) if use[name] == "true"]
        self._refuse_none(chosen, table)
        for port, values in (
            ("out_files", i.in_files), ("masks", i.masks), ("echo_times_s", i.echo_times_s),
            ("thicknesses_mm", i.thicknesses_mm), ("slice_times_s", i.slice_times_s),
        ):  # fmt: skip
            self._results[port] = [values[n] for n in chosen]
        self._results["stack_table"] = str(write_tsv(table, Path(runtime.cwd) / "stacks.tsv"))
        return runtime

    def _refuse_none(self, chosen: list[int], table: dict[str, list[Any]]) -> None:
        """Raise, with the reasons, when no stack is left."""
        from fetalt2prep.io.sidecar import InputError, together

        reasons = [note for note, status in zip(table["notes"], table["status"], strict=True) if status != "used"]
        if not chosen:
            raise InputError("No stack can be used. " + together(reasons))
