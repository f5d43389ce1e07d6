"""The folders of sessions in the work folder: one run at a time, and a fresh start when asked."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bids_app.participant import WORKFLOW, session_wf_name
from bids_app.session import SessionInputs

LOG = logging.getLogger("fetalt2prep")


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
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other run holds a folder, and hold it: jobs of sessions share the page of their participant.

    On a disk that cannot lock a folder (NFS) nothing is held.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            LOG.debug("%s cannot be locked: %s", folder, error)
        yield
    finally:
        os.close(handle)


def clean(sessions: Sequence[SessionInputs], work_dir: Path) -> None:
    """Remove the intermediate results of sessions that this version left."""
    for session in sessions:
        folder = work_dir / WORKFLOW / session_wf_name(session)
        if folder.is_dir():
            shutil.rmtree(folder)
