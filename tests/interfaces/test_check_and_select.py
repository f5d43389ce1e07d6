from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from fetalt2prep.interfaces.audit import AuditHeaders
from fetalt2prep.interfaces.check import CheckStacks
from fetalt2prep.interfaces.mask import BrainMask
from fetalt2prep.interfaces.quality import AssessStacks
from fetalt2prep.interfaces.select import SelectStacks
from fetalt2prep.io.sidecar import InputError
from fetalt2prep.io.tables import read_tsv

from .conftest import SessionFiles


def check(files: SessionFiles, **changes: Any) -> Any:
    inputs = {"in_files": files.stacks, "masks": files.masks, "echo_times_s": files.echo_times_s}
    inputs |= {"thicknesses_mm": files.thicknesses_mm, "slice_times_s": files.slice_times_s}
    return CheckStacks(**(inputs | changes)).run().outputs


def test_good_stacks_pass_unchanged(session_files: SessionFiles) -> None:
    found = check(session_files)
    assert found.echo_times_s == session_files.echo_times_s
    assert found.thicknesses_mm == session_files.thicknesses_mm
    for before, after in zip(session_files.stacks, found.out_files, strict=True):
        assert Path(before).name == Path(after).name
        np.testing.assert_array_equal(nib.load(before).get_fdata(), nib.load(after).get_fdata())
    table = read_tsv(Path(found.stack_table))
    assert table["status"] == ["used"] * 9
    assert table["mask_source"] == ["given"] * 9
    assert table["orientation"][:3] == ["ax 0 deg", "cor 0 deg", "sag 0 deg"]
    assert table["te_s"][::3] == ["0.1", "0.2", "0.3"]
    assert (table["dx_mm"][0], table["spacing_mm"][0], table["thickness_mm"][0]) == ("2", "4", "4")


def test_a_bad_stack_is_set_aside_with_its_reason_and_the_others_stay(session_files: SessionFiles) -> None:
    path = Path(session_files.stacks[1])
    path.write_bytes(path.read_bytes()[:500])
    found = check(session_files)
    assert len(found.out_files) == len(found.masks) == len(found.echo_times_s) == 8
    table = read_tsv(Path(found.stack_table))
    assert table["status"].count("set-aside") == 1
    assert table["notes"][1].startswith(path.name + ": ")
    assert len(table["stack"]) == 9


def test_no_stack_left_fails_with_every_reason(session_files: SessionFiles) -> None:
    for path in session_files.masks:
        image = nib.load(path)
        nib.save(nib.Nifti1Image(np.zeros(image.shape, "u1"), image.affine), path)
    with pytest.raises(InputError, match="No stack can be used") as error:
        check(session_files)
    assert all(Path(path).name in str(error.value) for path in session_files.masks)


def test_lists_may_be_left_out_or_hold_none(session_files: SessionFiles) -> None:
    masks = [None, *session_files.masks[1:]]
    times = [None, list(range(12)), *[[]] * 7]
    found = check(session_files, masks=masks, thicknesses_mm=[], slice_times_s=times)
    assert found.masks[0] is None
    assert found.thicknesses_mm == [4.0] * 9
    assert found.slice_times_s[:3] == [[], [float(n) for n in range(12)], []]
    assert read_tsv(Path(found.stack_table))["mask_source"][:2] == ["n/a", "given"]
    assert check(session_files, masks=[]).masks == [None] * 9


def test_lists_of_another_length_are_refused(session_files: SessionFiles) -> None:
    with pytest.raises(ValueError, match="echo_times_s has 2 entries for 9 stacks"):
        check(session_files, echo_times_s=[0.1, 0.2])


def test_equal_file_names_are_kept_apart(session_files: SessionFiles, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    second = tmp_path / "b" / Path(session_files.stacks[0]).name
    second.write_bytes(Path(session_files.stacks[0]).read_bytes())
    found = CheckStacks(in_files=[session_files.stacks[0], str(second)], echo_times_s=[0.1, 0.2]).run().outputs
    assert [Path(path).name for path in found.out_files] == [
        "acq-ax_te100_T2w.nii.gz",
        "acq-ax_te100_T2w-2.nii.gz",
    ]
    assert len(set(read_tsv(Path(found.stack_table))["stack"])) == 2


def audit(files: SessionFiles) -> str:
    return str(AuditHeaders(in_files=files.stacks, echo_times_s=files.echo_times_s).run().outputs.audit_table)


def select(found: Any, audit_table: str, assess: Any = None, **changes: Any) -> Any:
    """Assess and select as the workflow does; ``assess``: further inputs of the first."""
    n = len(found.out_files)
    inputs = {
        "in_files": found.out_files,
        "masks": found.masks,
        "sources": ["given"] * n,
        "reasons": [""] * n,
    }
    inputs |= {
        "confidences": [None] * n,
        "echo_times_s": found.echo_times_s,
        "stack_table": found.stack_table,
    }
    inputs |= {"thicknesses_mm": found.thicknesses_mm, "slice_times_s": found.slice_times_s}
    inputs |= {"audit_table": audit_table} | changes
    judged = ("in_files", "masks", "confidences", "echo_times_s", "thicknesses_mm", "audit_table")
    seen = AssessStacks(**{name: inputs[name] for name in judged}, **(assess or {})).run().outputs
    inputs |= {"masks": seen.masks, "quality_table": seen.quality_table}
    return SelectStacks(**inputs).run().outputs


def test_a_stack_elsewhere_is_set_aside(session_files: SessionFiles) -> None:
    for path in (session_files.stacks[4], session_files.masks[4]):
        image = nib.load(path)
        affine = image.affine.copy()
        affine[0, 3] += 100
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj), affine), path)
    chosen = select(check(session_files), audit(session_files))
    assert len(chosen.out_files) == len(chosen.masks) == len(chosen.slice_times_s) == 8
    table = read_tsv(Path(chosen.stack_table))
    assert [n for n, status in enumerate(table["status"]) if status != "used"] == [4]
    assert table["notes"][4].startswith("acq-cor_te200_T2w: its brain mask lies 100 mm from")


def test_two_stacks_that_disagree_are_both_refused(session_files: SessionFiles) -> None:
    image = nib.load(session_files.stacks[0])
    affine = image.affine.copy()
    affine[2, 3] += 80
    for path in (session_files.stacks[0], session_files.masks[0]):
        nib.save(nib.Nifti1Image(np.asarray(nib.load(path).dataobj), affine), path)
    two = SessionFiles(**{name: values[:2] for name, values in vars(session_files).items()})
    with pytest.raises(InputError, match=r"acq-ax_te100_T2w, acq-cor_te100_T2w: .* 80 mm"):
        select(check(two), audit(two))


def test_an_empty_mask_and_its_reason_reach_the_table(session_files: SessionFiles) -> None:
    found = check(session_files)
    empty = Path("empty.nii.gz").absolute()
    nib.save(nib.Nifti1Image(np.zeros((24, 24, 12), "u1"), nib.load(found.out_files[0]).affine), empty)
    sources, confidences = ["classical", *["given"] * 8], [0.0, *[None] * 8]
    reasons = ["no region like a brain", *[""] * 8]
    chosen = select(
        found,
        audit(session_files),
        masks=[str(empty), *found.masks[1:]],
        sources=sources,
        confidences=confidences,
        reasons=reasons,
    )
    table = read_tsv(Path(chosen.stack_table))
    assert (table["mask_source"][0], table["mask_confidence"][0]) == ("classical", "0")
    assert table["notes"][0] == "acq-ax_te100_T2w: no region like a brain; the brain mask is empty"
    assert len(chosen.out_files) == 8


def test_brain_mask_passes_a_given_mask_and_says_so(session_files: SessionFiles) -> None:
    found = BrainMask(in_file=session_files.stacks[0], in_mask=session_files.masks[0]).run().outputs
    assert (found.source, found.confidence, found.reasons) == ("given", None, "")
    np.testing.assert_array_equal(nib.load(found.out_file).get_fdata(), nib.load(session_files.masks[0]).get_fdata())


def test_brain_mask_without_a_brain_is_empty_and_says_why(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(50, 60, (40, 40, 8)).astype("f4")
    nib.save(nib.Nifti1Image(noise, np.diag([2.0, 2, 4, 1])), tmp_path / "noise.nii.gz")
    found = BrainMask(in_file=str(tmp_path / "noise.nii.gz")).run().outputs
    assert (found.source, found.confidence) == ("network", 0.0)
    assert "Give a brain mask" in found.reasons
    assert not nib.load(found.out_file).get_fdata().any()


def test_the_users_table_comes_before_the_automatic_choice(session_files: SessionFiles) -> None:
    image = nib.load(session_files.masks[4])
    nib.save(nib.Nifti1Image(np.roll(np.asarray(image.dataobj), 9, 0), image.affine), session_files.masks[4])
    found, headers = check(session_files), audit(session_files)
    alone = read_tsv(Path(select(found, headers).stack_table))
    assert [n for n, status in enumerate(alone["status"]) if status != "used"] == [4]
    assert "Dice" in alone["notes"][4]
    kept = select(check(session_files), headers, {"mode": "all"})
    assert read_tsv(Path(kept.stack_table))["status"] == ["used"] * 9
    table = Path("mine.tsv").absolute()
    table.write_text("stack\tuse\treason\nacq-cor_te200_T2w\ttrue\tI looked\nacq-ax_te100_T2w.nii.gz\tno\tn/a\n")
    chosen = select(check(session_files), headers, {"selection": str(table)}, selection=str(table))
    rows = read_tsv(Path(chosen.stack_table))
    assert rows["status"] == ["excluded", *["used"] * 8]
    assert rows["notes"][0] == "acq-ax_te100_T2w: mine.tsv says do not use"
    assert "mine.tsv says use; I looked; 20 % of the mask" in rows["notes"][4]


def test_a_stack_that_is_there_twice_enters_once(session_files: SessionFiles) -> None:
    copy = Path(session_files.stacks[0]).with_name("acq-copy_te100_T2w.nii.gz")
    copy.write_bytes(Path(session_files.stacks[0]).read_bytes())
    files = SessionFiles(**{name: [*values, values[0]] for name, values in vars(session_files).items()})
    files.stacks[-1] = str(copy)
    table = read_tsv(Path(select(check(files), audit(files)).stack_table))
    assert table["status"] == [*["used"] * 9, "set-aside"]
    assert "has the same pixels as acq-ax_te100_T2w" in table["notes"][-1]
