"""What the terminal says of a crash: one line, without the traceback."""

from __future__ import annotations

import pytest

from bids_app.execute import crash_message

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
    assert crash_message(HEAD + end) == said


def test_a_crash_without_an_error_is_said_too() -> None:
    assert crash_message("Node: wf.recon\nkilled") == "recon: the step ended without a message"
    killed = "Node: fetalt2prep_0_1_0_wf.sub_01_ses_02_wf.fetal_t2_wf.recon_wf.recon\nkilled"
    assert crash_message(killed) == "ses-02 recon: the step ended without a message"
