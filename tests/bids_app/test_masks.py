"""Masks in the layouts of other programs, each in a folder as the program leaves it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from bids_app.query import query_sessions
from bids_app.session import SessionInputs
from tests.bids_app.conftest import WriteStack

STACKS = ("acq-ax_run-1_echo-1", "acq-ax_run-1_echo-2", "acq-cor_run-2_echo-1")
S = "sub-01/ses-a/anat/sub-01_ses-a"


@pytest.fixture
def session(bids: Path, write_stack: WriteStack) -> Path:
    for number, name in enumerate(STACKS, start=1):
        write_stack(f"sub-01_ses-a_{name}_T2w", number / 10)
    return bids


def found(bids: Path, folder: Path, names: Sequence[str], **how: object) -> SessionInputs:
    source = next(bids.rglob("*_T2w.nii.gz"))
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder / name)
    return query_sessions(bids, ["01"], masks_dir=folder, **how)["01"][0]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        # fetpype and FetMRQC: entities of the stack, no desc; by run only
        ([f"{S}_run-1_mask.nii.gz", f"{S}_run-2_mask.nii.gz"], [0, 0, 1]),
        ([f"{S}_{stack}_mask.nii.gz" for stack in STACKS], [0, 1, 2]),
        # pymialsrtk
        ([f"{S}_run-1_id-1_desc-brain_mask.nii.gz", f"{S}_run-2_id-1_desc-brain_mask.nii.gz"], [0, 0, 1]),
        # NiftyMIC, SVRTK: the file's own name and a word, in one flat folder
        ([f"sub-01_ses-a_{stack}_T2w_mask.nii.gz" for stack in STACKS], [0, 1, 2]),
        ([f"sub-01_ses-a_{stack}_T2w-mask.nii" for stack in STACKS], [0, 1, 2]),
        ([f"sub-01_ses-a_{stack}_T2w_brain_mask.nii.gz" for stack in STACKS], [0, 1, 2]),
        # NeSVoR: the name behind the word, or numbers in the order of the stacks
        ([f"mask_sub-01_ses-a_{stack}_T2w.nii.gz" for stack in STACKS], [0, 1, 2]),
        ([f"mask-{n}.nii.gz" for n in range(3)], [0, 1, 2]),
        ([f"sub-01/ses-a/mask-{n}.nii.gz" for n in (10, 9, 11)], [1, 0, 2]),
    ],
)
def test_layouts(names: list[str], expected: list[int], session: Path, tmp_path: Path) -> None:
    inputs = found(session, tmp_path / "masks", names)
    assert [problem.message for problem in inputs.problems] == []
    masks = [stack.mask.relative_to(tmp_path / "masks").as_posix() for stack in inputs.stacks if stack.mask]
    assert masks == [names[n] for n in expected]


@pytest.mark.parametrize(
    "names",
    [
        ["mask-0.nii.gz", "mask-1.nii.gz"],  # fewer than stacks: whose is missing?
        [f"sub-02/ses-a/mask-{n}.nii.gz" for n in range(3)],
        [f"sub-02/ses-a/anat/sub-02_ses-a_{stack}_mask.nii.gz" for stack in STACKS],
        [f"sub-01/ses-b/anat/sub-01_ses-b_{stack}_desc-brain_mask.nii.gz" for stack in STACKS],
        [f"{S}_{stack}_desc-placenta_mask.nii.gz" for stack in STACKS],
    ],
)
def test_masks_of_others_are_not_taken(names: list[str], session: Path, tmp_path: Path) -> None:
    inputs = found(session, tmp_path / "masks", names)
    assert inputs.stacks == ()
    assert all("no mask in the masks data set has its entities" in problem.message for problem in inputs.problems)


def test_numbers_do_not_serve_two_sessions(session: Path, write_stack: WriteStack, tmp_path: Path) -> None:
    write_stack("sub-01_ses-b_T2w")
    inputs = found(session, tmp_path / "masks", [f"mask-{n}.nii.gz" for n in range(3)])
    assert inputs.stacks == ()


def test_a_mask_that_says_desc_goes_before_one_that_does_not(session: Path, tmp_path: Path) -> None:
    names = [f"{S}_{stack}_{kind}mask.nii.gz" for stack in STACKS for kind in ("", "desc-brain_")]
    inputs = found(session, tmp_path / "masks", names)
    assert all(stack.mask and stack.mask.name.endswith("_desc-brain_mask.nii.gz") for stack in inputs.stacks)


def test_missing_masks_can_be_estimated(session: Path, tmp_path: Path) -> None:
    inputs = found(session, tmp_path / "masks", [f"{S}_run-2_mask.nii.gz"], force=["missing-masks"])
    assert [stack.mask is None for stack in inputs.stacks] == [True, True, False]
    assert inputs.stacks[0].note == "no mask given: it is estimated"
