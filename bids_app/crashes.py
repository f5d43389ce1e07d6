"""Crash files of Nipype: which step of which session failed, what it said, and where."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

TRACEBACK = "Traceback (most recent call last):"
TRACEBACK_LINES = 40
"""Last lines of a traceback that are kept."""


@dataclass(frozen=True, kw_only=True)
class Crash:
    """A step that failed."""

    file: str
    """Name of the crash file."""
    workflow: str | None
    """Name of its session's workflow, see ``workflow_name``; None: it was none of a session."""
    message: str
    """``check: sub-01_T2w.nii.gz: no echo time ...``, with the session in front where there is one."""
    traceback: str
    """Last lines of the file without the inputs that Nipype lists first; empty for an empty file."""


def workflow_name(label: str) -> str:
    """``sub-01_ses-pre+post`` -> ``sub_01_ses_pre_post_wf``: a session's workflow, and its folder of work."""
    return re.sub(r"\W", "_", label) + "_wf"


def read_crashes(log_dir: Path) -> list[Crash]:
    """The crash files of a participant in one run, by name."""
    files = sorted(log_dir.glob("**/crash*.txt"))
    return [read_crash(path.name, path.read_text(encoding="utf-8", errors="replace")) for path in files]


def read_crash(file: str, text: str) -> Crash:
    """What a crash file with this name and text says."""
    start = max(text.rfind(TRACEBACK.rstrip(":")), 0)
    node = re.search(r"^Node: (\S+)", text)
    names = node[1].split(".") if node else ["workflow"]
    workflow = next((name for name in names[1:-1] if re.fullmatch(r"sub_\w+_wf", name)), None)
    session = re.search(r"_ses_(\w+)_wf$", workflow or "")
    where = f"ses-{session[1]} " if session else ""
    return Crash(
        file=file,
        workflow=workflow,
        message=f"{where}{names[-1]}: {_error(text)}",
        traceback="\n".join(text[start:].strip().splitlines()[-TRACEBACK_LINES:]),
    )


def _error(text: str) -> str:
    """The error in one line, without its traceback."""
    # The last traceback is the innermost; its exception is the first line after it that is indented no more.
    before, traceback, after = text.rpartition(TRACEBACK)
    indent = before.rpartition("\n")[2]
    lines = after.splitlines()
    said = [n for n, line in enumerate(lines) if line.strip() and not line.startswith((indent + " ", indent + "\t"))]
    if not traceback or not said:
        return "the step ended without a message"
    kind, _, rest = " ".join(" ".join(lines[said[0] :]).split()).partition(": ")
    # An input error is written for the user; any other needs its kind to be understood.
    return rest if kind.endswith("InputError") else f"{kind.rpartition('.')[2]}: {rest}"
