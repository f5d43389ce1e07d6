"""What the page says of what failed: once, where it belongs."""

from __future__ import annotations

from pathlib import Path

from bids_app.messages import Message

from .conftest import write_rows
from .test_build import build


def test_why_a_stack_was_set_aside_stands_once_on_the_first_screen(make_session) -> None:
    out_dir = make_session(set_aside_reason="sub-01_acq-sag_T2w.nii.gz: cannot be read. Copy it again.")
    row = {"stack": "sub-01_acq-sag_T2w", "check": "readable", "level": "error", "found": "its pixels cannot be read."}
    write_rows([row | {"action": "set aside"}], out_dir / "sub-01" / "anat" / "sub-01_rec-inr_desc-audit_stats.tsv")
    text = "sub-01_acq-sag_T2w.nii.gz: cannot be read. Copy it again."
    told = build(out_dir, errors=[Message(text=text, set_aside=True)])
    assert told.sections["summary"].count("cannot be read") == 1
    assert "Look before you use it" in told.sections["summary"]  # the others were used
    assert "3 of 4 stacks were used; Inputs says why." in told.sections["summary"]
    assert text in told.sections["errors"]
    untold = build(out_dir).sections["summary"]  # without the messages of the run
    assert untold.count("cannot be read") == 1


def test_an_input_error_is_not_shown_as_a_crash(tmp_path: Path) -> None:
    log = tmp_path / "sub-01" / "log" / "run1"
    log.mkdir(parents=True)
    start = "Traceback (most recent call last):\n  File core.py, line 402\n"
    (log / "crash-1.txt").write_text(f"{start}fetalt2prep.io.sidecar.InputError: a.nii.gz: cannot be read.\n")
    page = build(tmp_path, errors=[Message(text="check: a.nii.gz: cannot be read.")])
    assert "core.py" not in page.sections["summary"]
    assert "core.py" in page.sections["errors"]
    (log / "crash-1.txt").write_text(f"{start}ValueError: shapes differ\n")
    assert "core.py" in build(tmp_path, errors=[Message(text="recon: ValueError: shapes differ")]).sections["summary"]


def test_a_participant_without_derivatives_gets_a_page_that_says_what_failed(tmp_path: Path) -> None:
    page = build(tmp_path, errors=[Message(text="sub-01: no stack is left: a.nii.gz is truncated; copy it again")])
    assert "Do not use" in page.sections["summary"]
    assert "Nothing was made for this participant" in page.sections["summary"]
    assert "One thing went wrong" in page.sections["errors"]
    assert "a.nii.gz is truncated; copy it again" in page.sections["errors"]
    assert not page.all("img")
    assert list(page.sections) == ["summary", "methods", "errors", "about"]


def test_a_run_that_ended_before_the_reconstruction_shows_its_stacks(make_session) -> None:
    page = build(make_session(reconstructed=False), errors=[Message(text="the reconstruction ran out of memory")])
    assert "Do not use" in page.sections["summary"]
    assert "the reconstruction ran out of memory" in page.sections["summary"]
    assert "No volume was reconstructed." in page.sections["summary"]
    assert "acq-ax run-1" in page.sections["inputs"]
    assert "Nothing was reconstructed; see Errors." in page.sections["reconstruction"]
    assert "because nothing was reconstructed" in page.sections["t2"]
    assert len(page.all("img")) == 3  # the contact sheets


def test_what_failed_in_one_session_is_not_held_against_another(make_session) -> None:
    make_session(session="01")
    make_session(session="pre+post")
    messages = [
        Message(session="03", text="recon: MemoryError: too little"),
        Message(session="02", text="killed, with sub-01_ses-01 beside it"),
        Message(text="the queue was closed"),
    ]
    page = build(make_session(session="02"), errors=messages)
    one, two, three = page.sections["summary"].split("Session ")[1:]
    assert ("killed" in one, "killed" in two, "killed" in three) == (False, True, False)
    assert all("the queue was closed" in session for session in (one, two, three))
    assert "too little" not in page.sections["summary"]
    assert "too little" in page.sections["errors"]


def test_a_crash_is_that_of_its_session_without_messages_too(make_session) -> None:
    """As after a batch system that nobody waited for."""
    make_session(session="01")
    out_dir = make_session(session="pre+post")
    log = out_dir / "sub-01" / "log" / "run1"
    log.mkdir(parents=True)
    for number, session in enumerate(("pre_post", "gone")):
        node = f"Node: fetalt2prep_1_wf.sub_01_ses_{session}_wf.fetal_t2_wf.recon_wf.recon\n"
        error = f"Traceback (most recent call last):\n  File {session}.py\nMemoryError: {session} takes too much\n"
        (log / f"crash-{number}.txt").write_text(node + error)
    page = build(out_dir)
    first, second = page.sections["summary"].split("Session ")[1:]
    assert "too much" not in first
    assert "ses-pre_post recon: MemoryError: pre_post takes too much" in second
    assert "pre_post.py" in second  # the last lines of its own crash
    assert "gone" not in page.sections["summary"]
    assert "gone takes too much" in page.sections["errors"]
