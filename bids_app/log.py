"""Where a run says what it does: a file in ``logs/`` with everything, the terminal with what matters."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

LOG = logging.getLogger("fetalt2prep")


class LogFile(logging.FileHandler):
    """A log file that ends no run, and fills no terminal with tracebacks, when its disk is full."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Keep silent: whatever else cannot be written says that the disk is full, once."""

    def close(self) -> None:
        """Close the file, even though its last lines may be lost."""
        with suppress(OSError):
            super().close()


@contextmanager
def run_log(path: Path, verbose: int = 0) -> Iterator[None]:
    """Log to ``path`` and to the terminal while the context lasts.

    The file takes the messages of the application and of Nipype, and Python's warnings. The terminal takes
    the application's and the stages of a long step, and with ``verbose`` 2 all of Nipype's, whose own handler
    is put aside meanwhile.
    """
    nipype, python = logging.getLogger("nipype"), logging.getLogger("py.warnings")
    path.parent.mkdir(parents=True, exist_ok=True)
    file = LogFile(path)
    file.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    terminal = logging.StreamHandler(sys.stdout)
    terminal.setFormatter(logging.Formatter("%(message)s"))
    terminal.setLevel(logging.DEBUG if verbose else logging.INFO)
    before = list(nipype.handlers)
    nipype.handlers = [file, terminal] if verbose > 1 else [file, stage_handler(sys.stdout)]
    python.handlers, python.propagate = [file], False
    logging.captureWarnings(True)
    LOG.setLevel(logging.DEBUG)
    LOG.propagate = False
    LOG.handlers = [file, terminal]
    try:
        yield
    finally:
        logging.captureWarnings(False)
        LOG.handlers, python.handlers = [], []
        nipype.handlers = before
        file.close()


def stage_handler(stream: TextIO) -> logging.Handler:
    """A handler for Nipype's loggers that lets through only the stages of a long step."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("    %(message)s"))
    handler.addFilter(lambda record: record.module == "progress")
    return handler
