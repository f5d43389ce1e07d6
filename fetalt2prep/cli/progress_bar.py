"""One line that shows how far a command is, when someone is watching."""

from __future__ import annotations

import sys
import time
from typing import Self, TextIO

REDRAW_SECONDS = 0.1
WIDTH = 30


class ProgressBar:
    """The callback ``on_step(what, step, n_steps)``; draws on a terminal only, and wipes its line at the end."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._live = self._stream.isatty()
        self._drawn = -REDRAW_SECONDS

    def __call__(self, what: str, step: int, n_steps: int) -> None:
        """Show a step."""
        now = time.monotonic()
        if not self._live or (step < n_steps and now - self._drawn < REDRAW_SECONDS):
            return
        self._drawn = now
        self._stream.write(f"\r\033[K{bar(step, n_steps)} {what}")
        self._stream.flush()

    def line(self, text: str) -> None:
        """A line that stays, above the bar; also where nobody is watching."""
        self._stream.write(f"\r\033[K{text}\n" if self._live else f"{text}\n")
        self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._stream.write("\r\033[K")
            self._stream.flush()


def bar(step: int, n_steps: int) -> str:
    """Text of the bar, ``[####......] 4/10``."""
    done = WIDTH * step // max(n_steps, 1)
    return f"[{'#' * done}{'.' * (WIDTH - done)}] {step}/{n_steps}"
