"""The file of ``--bids-filter-file``: which entities images must have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bids_app.entities import LONG_NAMES
from bids_app.options import OptionError

QUERIES = ("t2w", "mese", "mask")
ENTITIES = (*LONG_NAMES.values(), "suffix", "datatype", "extension")
Filters = Mapping[str, Mapping[str, Any]]


def read_filters(path: Path | None) -> Filters:
    """Query -> entity -> what it must be; empty without a file.

    Raises
    ------
    OptionError
        Not JSON, a query or an entity that is not known, or a value that is no text, number, null or list of these.
    """
    if path is None:
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise OptionError(f"--bids-filter-file {path}: cannot be read as JSON ({error}).") from error
    if not isinstance(content, dict) or not all(isinstance(value, dict) for value in content.values()):
        raise OptionError(f'{path.name}: write {{"t2w": {{"acquisition": "haste"}}}}: queries, each with entities.')
    for query, wanted in content.items():
        _refuse_unknown(path, "query", query, QUERIES)
        for entity, value in wanted.items():
            _refuse_unknown(path, f"entity of {query}", entity, ENTITIES)
            if not all(item is None or type(item) in (str, int) for item in _listed(value)):
                raise OptionError(
                    f'{path.name}: {query}.{entity} is {value!r}; give text, a number, null (absent), "*" (any), or a '
                    "list of these."
                )
    return content


def passes(entities: Mapping[str, str], wanted: Mapping[str, Any]) -> bool:
    """Whether entities are as wanted: None is absent, ``*`` any value, a list one of its items."""
    return all(
        any(_is_as_wanted(entities.get(name), item) for item in _listed(value)) for name, value in wanted.items()
    )


def _is_as_wanted(found: str | None, wanted: str | int | None) -> bool:
    if wanted is None or found is None:
        return wanted is None and found is None
    if wanted == "*":
        return True
    text = str(wanted)
    return found == text or (found.isdecimal() and text.isdecimal() and int(found) == int(text))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _refuse_unknown(path: Path, what: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise OptionError(f"{path.name}: unknown {what} {name!r}; known are {', '.join(known)}.")
