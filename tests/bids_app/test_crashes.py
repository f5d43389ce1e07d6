"""What is said of a crash: one line, without the traceback; and what a run keeps of it for the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_app.crashes import read_crash, read_crashes, workflow_name
from bids_app.messages import Message, keep_messages, read_messages
from bids_app.outcome import Outcome, crashed
from bids_app.session import SessionInputs

NODE = "Node: fetalt2prep_0_1_0_wf.sub_01_ses_02_wf.fetal_t2_wf.recon_wf.recon"
HEAD = """Node: fetalt2prep_0_1_0_wf.sub_01_wf.fetal_t2_wf.check
Working directory: /somewhere/check

Node inputs:

in_files = ['a.nii.gz']
Traceback (most recent call last):
  File "nodes.py", line 787, in _run_command
    raise NodeExecutionError(msg)
nipype.pipeline.engine.nodes.NodeExecutionError: Exception raised while executing Node check.

Traceback:
\tTraceback (most recent call last):
\t  File "check.py", line 87, in _run_interface
"""


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (
            "\tfetalt2prep.io.sidecar.InputError: a.nii.gz: cut off. Copy it again.\n",
            "check: a.nii.gz: cut off. Copy it again.",
        ),
        (
            "\t    x = 1\n\tUserWarning: beta (Triggered internally: 49.)\n\n",
            "check: UserWarning: beta (Triggered internally: 49.)",
        ),
        ("\tValueError: two\n\tlines\n\n", "check: ValueError: two lines"),
        ("\ttorch.OutOfMemoryError: CUDA out of memory.\n", "check: OutOfMemoryError: CUDA out of memory."),
    ],
)
def test_the_innermost_error_is_said(end: str, said: str) -> None:
    crash = read_crash("crash-1.txt", HEAD + end)
    assert crash.message == said
    assert crash.workflow == "sub_01_wf"
    assert "in_files" not in crash.traceback


def test_a_crash_without_an_error_is_said_too() -> None:
    crash = read_crash("crash-1.txt", "Node: wf.recon\nkilled")
    assert (crash.message, crash.workflow) == ("recon: the step ended without a message", None)
    crash = read_crash("crash-1.txt", f"{NODE}\nkilled")
    assert crash.message == "ses-02 recon: the step ended without a message"
    assert crash.workflow == workflow_name("sub-01_ses-02")
    assert read_crash("crash-1.txt", "").message == "workflow: the step ended without a message"


def test_each_crash_belongs_to_its_session(tmp_path: Path) -> None:
    (tmp_path / "crash-1.txt").write_text(f"{NODE}\nkilled")
    (tmp_path / "crash-2.txt").write_text(NODE.replace("ses_02", "ses_pre_post") + "\nkilled")
    (tmp_path / "crash-3.txt").write_text(NODE.replace("_ses_02", "") + "\nkilled")
    sessions = [SessionInputs(subject="01", session=label) for label in ("02", "pre+post")]
    said = crashed(Outcome(subject="01", log_dir=tmp_path, sessions=sessions))
    assert [message.session for message in said] == ["02", "pre+post", None]
    assert [crash.file for crash in read_crashes(tmp_path)] == ["crash-1.txt", "crash-2.txt", "crash-3.txt"]
    assert [said[0].concerns(label) for label in ("02", "pre+post", None)] == [True, False, False]
    assert all(said[2].concerns(label) for label in ("02", "pre+post", None))


def test_messages_are_read_as_they_were_kept(tmp_path: Path) -> None:
    messages = [
        Message(session="02", text="recon: out of memory"),
        Message(session="02", text="a.nii.gz: cut off", set_aside=True),
        Message(text="no session"),
    ]
    keep_messages(messages, tmp_path / "log")
    assert read_messages(tmp_path / "log") == messages
    assert read_messages(tmp_path) == []
    keep_messages([], tmp_path / "other")
    assert not (tmp_path / "other").exists()
