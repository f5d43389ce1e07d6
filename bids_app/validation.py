"""The BIDS validator, beside the work: it delays nothing and stops nothing; its errors are reported at the end."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from bids_app.options import Options

LOG = logging.getLogger("fetalt2prep")
COMMAND = "bids-validator-deno"
MAX_SHOWN = 10
PATIENCE_S = 60.0
"""How long a run that is done waits for the validator."""


class Validation:
    """Runs the validator on the raw data set while the context lasts."""

    def __init__(self, options: Options) -> None:
        self._root = options.bids_dir
        self._skip = options.run.skip_bids_validation
        self._process: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None

    def __enter__(self) -> Self:
        command = find_validator()
        if self._skip or command is None:
            if not self._skip:
                LOG.info("The BIDS validator (%s) is not installed: the data set is not validated.", COMMAND)
            return self
        self._said = tempfile.TemporaryFile()
        try:
            self._process = subprocess.Popen(
                [str(command), "--format", "json", str(self._root)],
                stdin=subprocess.DEVNULL, stdout=self._said, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        except OSError as error:
            LOG.warning("The BIDS validator cannot be run (%s): the data set is not validated.", error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._said:
            self._said.close()

    def report(self) -> None:
        """Log the errors that the validator found; waits for it for a minute at most."""
        if self._process is None or self._said is None:
            return
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            LOG.warning("The BIDS validator did not end within a minute after the run; its result is not known.")
            return
        self._said.seek(0)
        errors = read_errors(self._said.read())
        if errors is None:
            LOG.warning("The BIDS validator ended with code %d and no result.", self._process.returncode)
        elif errors:
            times = Counter(errors)  # one file that breaks a rule for each of several others is told once
            lines = [f"{text} ({n} times)" if n > 1 else text for text, n in times.items()]
            shown = "".join(f"\n  {line}" for line in lines[:MAX_SHOWN])
            more = f"\n  and {len(lines) - MAX_SHOWN} more" if len(lines) > MAX_SHOWN else ""
            LOG.warning("The BIDS validator finds %d error(s) in %s:%s%s", len(errors), self._root, shown, more)


def find_validator() -> Path | None:
    """The validator beside this Python or on the PATH; None when it is not installed."""
    beside = Path(sys.executable).with_name(COMMAND)
    found = str(beside) if beside.is_file() else shutil.which(COMMAND)
    return Path(found) if found else None


def read_errors(output: bytes) -> list[str] | None:
    """``CODE: file`` of each error in the validator's JSON; None when it is no such JSON."""
    try:
        issues: list[dict[str, Any]] = json.loads(output)["issues"]["issues"]
    except (ValueError, LookupError, TypeError):
        return None
    return [f"{i.get('code', '?')}: {i.get('location', '')}" for i in issues if i.get("severity") == "error"]
