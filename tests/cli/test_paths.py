"""Inputs that are missing and outputs that would be replaced are refused before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from fetalt2prep.cli.paths import need_files, refuse_to_replace


def test_the_first_missing_input_is_named(tmp_path: Path) -> None:
    here = tmp_path / "here.nii"
    here.touch()
    need_files(here, None)
    with pytest.raises(ValueError, match=r"gone\.nii: there is no such file\.$"):
        need_files(here, None, tmp_path / "gone.nii", tmp_path / "other.nii")
    with pytest.raises(ValueError, match="there is no such file"):
        need_files(tmp_path)  # a folder is not a file


@pytest.mark.parametrize("another", ["file", "folder"])
def test_an_output_is_replaced_only_when_asked(tmp_path: Path, another: str) -> None:
    new, old = tmp_path / "new.nii", tmp_path / "old.nii"
    refuse_to_replace([new, old], force=False, another=another)
    old.touch()
    refuse_to_replace([new, old], force=True, another=another)
    with pytest.raises(ValueError, match=rf"old\.nii: is there already; name another {another}, or add --force to"):
        refuse_to_replace([new, old], force=False, another=another)
