"""The validator beside the work: what it finds is said, and stops nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bids_app.main import run
from bids_app.parser import parse_args
from bids_app.validation import Validation, find_validator, read_errors
from tests.bids_app.conftest import COARSE, WriteStack, three_echoes


def test_errors_are_listed_at_the_end_and_the_run_goes_on(
    bids: Path, write_stack: WriteStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    three_echoes(write_stack)
    (bids / "sub-01" / "anat" / "sub-01_HASTE.nii.gz").write_bytes(b"")
    options = [option for option in COARSE if option != "--skip-bids-validation"]
    masks = f"masks={bids / 'derivatives' / 'masks'}"
    command = [str(bids), str(tmp_path / "out"), "participant", "-d", masks, "-w", str(tmp_path / "work"), *options]
    assert run([*command, "--masks-only"]) == 0
    said = capsys.readouterr().out
    assert "The BIDS validator finds" in said
    assert "/sub-01/anat/sub-01_HASTE.nii.gz" in said
    assert run([*command, "--masks-only", "--skip-bids-validation"]) == 0
    assert "validator" not in capsys.readouterr().out


def test_one_that_cannot_be_run_or_repeats_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program = tmp_path / "validator"
    monkeypatch.setattr("bids_app.validation.find_validator", lambda: program)
    options = parse_args([str(tmp_path), str(tmp_path / "out"), "participant"])
    with caplog.at_level("WARNING"), Validation(options) as validation:
        validation.report()
    assert "cannot be run" in caplog.text
    issue = {"code": "A", "location": "/T2w.json", "severity": "error"}
    program.write_text(f"#!/bin/sh\necho '{json.dumps({'issues': {'issues': [issue] * 3}})}'\n")
    program.chmod(0o755)
    with caplog.at_level("WARNING"), Validation(options) as validation:
        validation.report()
    assert "finds 3 error(s)" in caplog.text
    assert "A: /T2w.json (3 times)" in caplog.text


@pytest.mark.parametrize("output", [b"", b"{", b"[]", b'{"issues": 3}'])
def test_what_is_no_result_is_not_taken_for_one(output: bytes) -> None:
    assert read_errors(output) is None


def test_warnings_are_no_errors() -> None:
    issues = [
        {"code": "A", "location": "/x", "severity": "error"},
        {"code": "B", "location": "/y", "severity": "warning"},
    ]
    assert read_errors(json.dumps({"issues": {"issues": issues}}).encode()) == ["A: /x"]


def test_it_is_found_beside_this_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert find_validator() is not None
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_validator() is None
