"""Stacks of a case on disk, with their masks and slice times, and where the truth of it lies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fetalt2prep.core.stack import Stack
from fetalt2prep.io.sidecar import echo_time_s, read_sidecar, slice_times_s
from fetalt2prep.io.stack import load_stack
from fetalt2prep.sim.score.truth_files import find_truth

PLANES = (("ax", "cor", "sag"), ("ax", "cor"), ("ax",))


def read_stacks(case: Path, planes: Sequence[str]) -> list[Stack]:
    """Stacks of a case in some planes, with their masks."""
    stacks = []
    for image in sorted(case.glob("sub-*/ses-*/anat/*_T2w.nii.gz")):
        if not any(f"acq-{plane}_" in image.name for plane in planes):
            continue
        stem = image.name.removesuffix("_T2w.nii.gz")
        mask = next((case / "derivatives" / "masks").rglob(f"{stem}_desc-brain_mask.nii.gz"))
        meta = read_sidecar(image)
        stack, _ = load_stack(image, mask, te_s=echo_time_s(meta, image.name), thickness_mm=meta["SliceThickness"])
        times = slice_times_s(meta, stack.n_slices, image.name)
        stacks.append(Stack(**{**vars(stack), "slice_times_s": times}))
    return stacks


def truth_of(case: Path) -> Path:
    """Folder of a case's truth: ``NAME_truth`` beside it, or in its own derivatives."""
    beside = case.with_name(f"{case.name}_truth")
    return beside if beside.is_dir() else find_truth(case / "derivatives" / "truth")
