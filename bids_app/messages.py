"""What a run has to say of a participant: why something failed, or was left out, and of which session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fetalt2prep.io.tables import MISSING, read_tsv, write_tsv

MESSAGES = "messages.tsv"
"""In a participant's log folder: its errors and the stacks set aside, a row each, for ``--reports-only``."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One sentence or more, for the terminal and the report."""

    text: str
    session: str | None = None
    """Label without ``ses-`` of the session that it is about; None: about the participant, or no one knows."""
    set_aside: bool = False
    """A stack could not be used, and the others were: no failure. The table of stacks says it too."""

    def concerns(self, session: str | None) -> bool:
        """Whether it is to be told of a session."""
        return self.session is None or self.session == session


def keep_messages(messages: Sequence[Message], log_dir: Path) -> None:
    """Write ``messages.tsv``; nothing when there is nothing to say."""
    if messages:
        log_dir.mkdir(parents=True, exist_ok=True)
        columns: dict[str, list[object]] = {
            "session": [message.session for message in messages],
            "set_aside": [message.set_aside for message in messages],
            "message": [message.text for message in messages],
        }
        write_tsv(columns, log_dir / MESSAGES)


def read_messages(log_dir: Path) -> list[Message]:
    """What :func:`keep_messages` wrote; empty when it did not."""
    if not (log_dir / MESSAGES).is_file():
        return []
    table = read_tsv(log_dir / MESSAGES)
    return [
        Message(text=text, session=None if session == MISSING else session, set_aside=aside == "true")
        for session, aside, text in zip(table["session"], table["set_aside"], table["message"], strict=True)
    ]
