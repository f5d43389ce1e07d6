"""What the paths of a command line must be before its work begins: inputs there, outputs not there yet."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def need_files(*paths: Path | None) -> None:
    """Every input is a file; None, an input that was not given, is passed over.

    Raises
    ------
    ValueError
        Names the first that is not.
    """
    for path in paths:
        if path is not None and not path.is_file():
            raise ValueError(f"{path}: there is no such file.")


def refuse_to_replace(outputs: Iterable[Path], *, force: bool, another: str) -> None:
    """No output is there yet, unless ``force``; ``another`` is what to name instead: ``file`` or ``folder``.

    Raises
    ------
    ValueError
        Names the first that is there, and both ways out.
    """
    there = () if force else (path for path in outputs if path.exists())
    for path in there:
        raise ValueError(f"{path}: is there already; name another {another}, or add --force to replace it.")
