"""Masks and pictures of a session's stacks, judged together."""

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

from fetalt2prep.core.quality.options import MODES


class _AssessStacksInputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(File(exists=True), mandatory=True, desc="stacks, slices last")
    masks = InputMultiObject(File(exists=True), mandatory=True, desc="their brain masks, some perhaps empty")
    confidences = InputMultiObject(traits.Any, mandatory=True, desc="confidence of each mask; None: given")
    echo_times_s = traits.List(traits.Float, mandatory=True, desc="echo time of each stack, s")
    thicknesses_mm = traits.List(traits.Float, mandatory=True, desc="slice thickness of each stack, mm")
    audit_table = File(exists=True, mandatory=True, desc="TSV of the header audit")
    gestational_age_weeks = traits.Either(None, traits.Float, desc="age at the scan; None: unknown")
    consensus = traits.Bool(False, usedefault=True, desc="replace each mask by what all stacks agree on")
    mode = traits.Enum(*MODES, usedefault=True, desc="auto: set aside what is clearly broken; all: use all with a mask")
    selection = File(exists=True, desc="TSV with the user's choice (stack, use, reason); it comes before the mode")


class _AssessStacksOutputSpec(TraitedSpec):
    masks = traits.List(File(exists=True), desc="brain masks, in the order given")
    quality_table = File(exists=True, desc="TSV, one row per stack: measures, verdicts, whether it is used")
    slice_quality = File(exists=True, desc="TSV, one row per slice: signal lost against the other stacks")


class AssessStacks(SimpleInterface):
    """Judge masks and pictures against each other, and choose the stacks; writes tables and fails for none of them."""

    input_spec = _AssessStacksInputSpec
    output_spec = _AssessStacksOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from dataclasses import replace

        from fetalt2prep.core.quality.assess import assess
        from fetalt2prep.io.quality_files import quality_row, slice_columns
        from fetalt2prep.io.stack import load_stack
        from fetalt2prep.io.tables import write_tsv
        from fetalt2prep.io.volume import read_volume, save_volume

        i, cwd = self.inputs, Path(runtime.cwd)
        stacks = []
        for path, mask, te_s, thickness in zip(i.in_files, i.masks, i.echo_times_s, i.thicknesses_mm, strict=True):
            stack, _ = load_stack(Path(path), None, te_s=te_s, thickness_mm=thickness, direction="k")
            stacks.append(replace(stack, mask=read_volume(Path(mask))[0] > 0))
        weeks = i.gestational_age_weeks if isinstance(i.gestational_age_weeks, float) else None
        reports, masks = assess(stacks, weeks=weeks, confidences=list(i.confidences), consensus=i.consensus)
        names = [stack.name for stack in stacks]
        chosen = self._choose(names, reports)
        rows = [quality_row(name, report, *chosen[name]) for name, report in zip(names, reports, strict=True)]
        self._results.update(
            masks=[
                str(save_volume(mask, stack.affine, cwd / f"{stack.name}_mask.nii.gz", "u1"))
                for mask, stack in zip(masks, stacks, strict=True)
            ]
            if i.consensus
            else list(i.masks),
            quality_table=str(write_tsv({key: [row[key] for row in rows] for key in rows[0]}, cwd / "quality.tsv")),
            slice_quality=str(write_tsv(slice_columns(names, reports), cwd / "slice_quality.tsv")),
        )
        return runtime

    def _choose(self, names: list[str], reports: list[Any]) -> dict[str, tuple[bool, str]]:
        """Whether each stack is used, and why, from the reports, the audit and the user's table."""
        from fetalt2prep.core.quality.choose import choose
        from fetalt2prep.io.header_audit import SET_ASIDE
        from fetalt2prep.io.selection import read_selection
        from fetalt2prep.io.tables import read_tsv

        i = self.inputs
        audit = read_tsv(Path(i.audit_table))
        asked = read_selection(Path(i.selection)) if isinstance(i.selection, str) else {}
        chosen = {}
        for name, report in zip(names, reports, strict=True):
            header = [
                found
                for stack, action, found in zip(audit["stack"], audit["action"], audit["found"], strict=True)
                if stack == name and action == SET_ASIDE
            ]
            use, reason = choose(report, i.mode, header)
            if name in asked and report.facts.volume_ml > 0:
                use = asked[name].use
                said = f"{Path(i.selection).name} says {'use' if use else 'do not use'}"
                reason = "; ".join(text for text in (said, asked[name].reason, reason) if text)
            chosen[name] = use, reason
        return chosen
