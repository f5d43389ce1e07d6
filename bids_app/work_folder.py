"""The folders of sessions in the work folder: one run at a time, and a fresh start when asked."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bids_app.participant import WORKFLOW, session_wf_name
from bids_app.session import SessionInputs


@contextmanager
def held(
    sessions: Sequence[SessionInputs], work_dir: Path
) -> Iterator[tuple[list[SessionInputs], list[tuple[SessionInputs, str]]]]:
    """Hold the work folders of sessions while the context lasts.

    Yields the sessions that are held, and those at which another run is at work, each with a message. The system
    lets go of what a run held when it ends, also when it is killed.
    """
    mine: list[SessionInputs] = []
    taken: list[tuple[SessionInputs, str]] = []
    root = work_dir / WORKFLOW
    root.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for session in sessions:
            lock = stack.enter_context((root / f".{session_wf_name(session)}.lock").open("w"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                mine.append(session)
            except BlockingIOError:
                message = (
                    f"{session.label}: another run is at work on it in {work_dir}. Wait until it ends, or give this "
                    "run another --work-dir."
                )
                taken.append((session, message))
        yield mine, taken


@contextmanager
def alone(lock_file: Path) -> Iterator[None]:
    """Wait until no other run holds a file, and hold it: jobs of sessions share the page of their participant."""
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def clean(sessions: Sequence[SessionInputs], work_dir: Path) -> None:
    """Remove the intermediate results of sessions that this version left."""
    for session in sessions:
        folder = work_dir / WORKFLOW / session_wf_name(session)
        if folder.is_dir():
            shutil.rmtree(folder)
