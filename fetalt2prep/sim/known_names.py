"""Names in a preset that nobody knows are errors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields


def refuse_unknown(names: Iterable[str], record: type, prefix: str = "") -> None:
    """Raise ``ValueError``, with the known names, for the first name that is no field of a dataclass."""
    known = [field.name for field in fields(record)]
    for name in names:
        if name not in known:
            raise ValueError(f"{prefix}unknown option {name!r}; known options: {', '.join(known)}.")
