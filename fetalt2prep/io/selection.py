"""A user's choice of stacks, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fetalt2prep.io.sidecar import InputError
from fetalt2prep.io.tables import MISSING, read_tsv

COLUMNS = ("use", "keep")
YES, NO = {"true", "yes", "1", "1.0", "keep", "used"}, {"false", "no", "0", "0.0", "drop", "set-aside", "excluded"}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Whether a stack is used, and why."""

    use: bool
    reason: str


def read_selection(path: Path) -> dict[str, Choice]:
    """Choices by the name of the stack, from a TSV with the columns ``stack``, ``use`` (or ``keep``) and, if you like,
    ``reason``; rows with ``n/a`` are left to the automatic choice.

    Raises
    ------
    InputError
        Not readable, a column missing, a stack twice, or a value that is neither yes nor no.
    """
    try:
        table = read_tsv(path)
    except (OSError, ValueError, IndexError) as error:
        raise InputError(f"{path.name}: cannot be read as a table of stacks ({error}).") from error
    column = next((name for name in COLUMNS if name in table), None)
    if "stack" not in table or column is None:
        has = f"the columns {', '.join(table)}" if table else "no column"
        raise InputError(f"{path.name}: has {has}; give stack and use (true or false), separated by tabs.")
    reasons = table.get("reason", [MISSING] * len(table["stack"]))
    found: dict[str, Choice] = {}
    for cell, value, reason in zip(table["stack"], table[column], reasons, strict=True):
        name, word = cell.removesuffix(".gz").removesuffix(".nii"), value.strip().lower()
        if word in ("", MISSING):
            continue
        if word not in YES | NO:
            raise InputError(f"{path.name}: {column} of {name} is {value!r}; give true, false or {MISSING}.")
        if name in found:
            raise InputError(f"{path.name}: {name} is there twice. Keep one row.")
        found[name] = Choice(use=word in YES, reason="" if reason == MISSING else reason)
    return found
