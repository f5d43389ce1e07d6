"""Tables as BIDS wants them: tab-separated, a header, ``n/a`` where there is no value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MISSING = "n/a"


def write_tsv(columns: Mapping[str, Sequence[object] | NDArray[np.generic]], path: Path) -> Path:
    """Write columns of equal length; NaN, None and empty text become ``n/a``; returns ``path``.

    Raises
    ------
    ValueError
        The columns differ in length.
    """
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{path.name}: columns differ in length: {lengths}.")
    rows = ["\t".join(columns)]
    rows += ["\t".join(map(_cell, row)) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def read_tsv(path: Path) -> dict[str, list[str]]:
    """Columns by name, every cell as text, ``n/a`` kept; no column of an empty file.

    As spreadsheets leave them: blank lines are skipped, and cells that a row lacks at its end are ``n/a``.
    """
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    header, *rows = [line.split("\t") for line in lines if line.strip()] or [[]]
    return {name: [row[n] if n < len(row) else MISSING for row in rows] for n, name in enumerate(header)}


def _cell(value: object) -> str:
    if value is None:
        return MISSING
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        return f"{float(value):.8g}" if math.isfinite(value) else MISSING
    return " ".join(str(value).split()) or MISSING
