"""What the page says of what failed: once, where it belongs."""

from __future__ import annotations

from pathlib import Path

from bids_app.report.build import concerns

from .conftest import write_rows
from .test_build import build


def test_why_a_stack_was_set_aside_stands_once_on_the_first_screen(make_session) -> None:
    out_dir = make_session(set_aside_reason="sub-01_acq-sag_T2w.nii.gz: cannot be read. Copy it again.")
    row = {"stack": "sub-01_acq-sag_T2w", "check": "readable", "level": "error", "found": "its pixels cannot be read."}
    write_rows([row | {"action": "set aside"}], out_dir / "sub-01" / "anat" / "sub-01_rec-inr_desc-audit_stats.tsv")
    told = build(out_dir, errors=["sub-01_acq-sag_T2w.nii.gz: cannot be read. Copy it again."]).sections["summary"]
    assert told.count("cannot be read") == 1
    untold = build(out_dir).sections["summary"]  # without the messages of the run
    assert untold.count("cannot be read") == 1


def test_an_input_error_is_not_shown_as_a_crash(tmp_path: Path) -> None:
    log = tmp_path / "sub-01" / "log" / "run1"
    log.mkdir(parents=True)
    start = "Traceback (most recent call last):\n  File core.py, line 402\n"
    (log / "crash-1.txt").write_text(f"{start}fetalt2prep.io.sidecar.InputError: a.nii.gz: cannot be read.\n")
    page = build(tmp_path, errors=["check: a.nii.gz: cannot be read."])
    assert "core.py" not in page.sections["summary"]
    assert "core.py" in page.sections["errors"]
    (log / "crash-1.txt").write_text(f"{start}ValueError: shapes differ\n")
    assert "core.py" in build(tmp_path, errors=["recon: ValueError: shapes differ"]).sections["summary"]


def test_a_participant_without_derivatives_gets_a_page_that_says_what_failed(tmp_path: Path) -> None:
    page = build(tmp_path, errors=["sub-01: no stack is left: a.nii.gz is truncated; copy it again"])
    assert "Do not use" in page.sections["summary"]
    assert "Nothing was made for this participant" in page.sections["summary"]
    assert "One thing went wrong" in page.sections["errors"]
    assert "a.nii.gz is truncated; copy it again" in page.sections["errors"]
    assert not page.all("img")
    assert list(page.sections) == ["summary", "methods", "errors", "about"]


def test_a_run_that_ended_before_the_reconstruction_shows_its_stacks(make_session) -> None:
    page = build(make_session(reconstructed=False), errors=["the reconstruction ran out of memory"])
    assert "Do not use" in page.sections["summary"]
    assert "the reconstruction ran out of memory" in page.sections["summary"]
    assert "No volume was reconstructed." in page.sections["summary"]
    assert "acq-ax run-1" in page.sections["inputs"]
    assert "Nothing was reconstructed; see Errors." in page.sections["reconstruction"]
    assert "because nothing was reconstructed" in page.sections["t2"]
    assert len(page.all("img")) == 3  # the contact sheets


def test_what_failed_in_one_session_is_not_held_against_another(make_session) -> None:
    make_session(session="01")
    page = build(make_session(session="02"), errors=["ses-03 recon: MemoryError: too little", "sub-01_ses-02: killed"])
    assert page.sections["summary"].count("killed") == 1
    assert "too little" not in page.sections["summary"]
    assert "too little" in page.sections["errors"]
    assert concerns("recon: MemoryError", "01")
    assert concerns("ses-pre_post recon: MemoryError", "pre+post")
    assert not concerns("sub-01_ses-011_T2w: empty", "01")
    assert not concerns("sub-01_ses-01_T2w: empty", None)
