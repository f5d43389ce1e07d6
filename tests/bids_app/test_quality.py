"""Masks that fail, the user's choice of stacks, and the tables that say why, through the whole command."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fetalt2prep.io.tables import read_tsv
from tests.bids_app.conftest import WriteStack, app, three_echoes


def table(tmp_path: Path, desc: str) -> dict[str, list[str]]:
    """A table of the only session."""
    (path,) = (tmp_path / "out").rglob(f"*_desc-{desc}_stats.tsv")
    return read_tsv(path)


def move_mask(bids: Path, echo: int) -> None:
    """Draw the mask of a stack beside the head."""
    (path,) = (bids / "derivatives" / "masks").rglob(f"*_echo-{echo}_desc-brain_mask.nii.gz")
    image = nib.load(path)
    nib.save(nib.Nifti1Image(np.roll(np.asarray(image.dataobj), 6, axis=1), image.affine), path)


def test_a_failed_mask_sets_its_stack_aside_and_the_tables_say_so(
    bids: Path, write_stack: WriteStack, tmp_path: Path
) -> None:
    three_echoes(write_stack)
    move_mask(bids, 2)
    assert app(bids, tmp_path, "--masks-only") == 1
    quality, stacks = table(tmp_path, "quality"), table(tmp_path, "stacks")
    assert quality["mask_verdict"][1] == "failed"
    assert quality["use"] == ["true", "false", "true"]
    assert stacks["status"] == ["used", "set-aside", "used"]
    assert "Dice" in stacks["notes"][1]
    (sidecar,) = (tmp_path / "out").rglob("*_desc-quality_stats.json")
    described = json.loads(sidecar.read_text())
    assert set(quality) <= set(described)
    assert described["motion_index_mm"]["Units"] == "mm"
    audit = table(tmp_path, "audit")
    assert set(audit) == {"stack", "check", "level", "found", "action"}


def test_the_users_table_decides_and_what_she_leaves_out_is_no_failure(
    bids: Path, write_stack: WriteStack, tmp_path: Path
) -> None:
    three_echoes(write_stack)
    mine = tmp_path / "mine.tsv"
    mine.write_text("stack\tuse\treason\nsub-01_acq-good_echo-3_T2w\tfalse\tmoved\n")
    assert app(bids, tmp_path, "--masks-only", "--select", str(mine)) == 0
    stacks = table(tmp_path, "stacks")
    assert stacks["status"] == ["used", "used", "excluded"]
    assert stacks["notes"][2].endswith("mine.tsv says do not use; moved")


def test_a_table_that_cannot_be_read_is_refused_at_the_door(
    bids: Path, write_stack: WriteStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    three_echoes(write_stack)
    mine = tmp_path / "mine.tsv"
    mine.write_text("name\tuse\n")
    assert app(bids, tmp_path, "--select", str(mine)) == 1
    assert "give stack and use" in capsys.readouterr().err
    assert app(bids, tmp_path, "--select", str(tmp_path / "absent.tsv")) == 1
    assert "cannot be read as a table of stacks" in capsys.readouterr().err


def test_without_a_stack_left_the_participant_fails_and_the_tables_are_there(
    bids: Path, write_stack: WriteStack, tmp_path: Path
) -> None:
    three_echoes(write_stack)
    mine = tmp_path / "mine.tsv"
    rows = [f"sub-01_acq-good_echo-{n}_T2w\tfalse" for n in (1, 2, 3)]
    mine.write_text("\n".join(["stack\tuse", *rows, ""]))
    assert app(bids, tmp_path, "--select", str(mine)) == 1
    (said,) = (tmp_path / "out" / "sub-01" / "log").rglob("messages.tsv")
    names = ", ".join(f"sub-01_acq-good_echo-{n}_T2w" for n in (1, 2, 3))
    assert f"No stack can be used. {names}: mine.tsv says do not use" in said.read_text()
    assert table(tmp_path, "quality")["use"] == ["false"] * 3
    assert not list((tmp_path / "out").rglob("*.nii.gz"))
