"""Options as a TOML file: each run writes one, and ``--config-file`` reads it."""

from __future__ import annotations

import dataclasses
import functools
import platform
import tomllib
import types
import typing
from dataclasses import fields
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from bids_app.options import OptionError, Options
from fetalt2prep import __version__

PACKAGES = ("torch", "numpy", "scipy", "scikit-image", "nibabel", "nipype", "pybids", "niworkflows")
_T = TypeVar("_T")


def write_toml(options: Options, path: Path, *, run_uuid: str, command_line: str) -> None:
    """Record a run: the options, and under ``[about]`` versions, command line and identifier."""
    import tomli_w

    about = {
        "uuid": run_uuid,
        "command_line": command_line,
        "fetalt2prep": __version__,
        "python": platform.python_version(),
        "packages": package_versions(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(tomli_w.dumps({**_table(options), "about": about}))


def read_values(path: Path) -> dict[str, Any]:
    """The options that a file of :func:`write_toml`, or of the user, gives, less ``[about]``.

    By their place in :class:`Options`, e.g. ``recon.model``.

    Raises
    ------
    OptionError
        Not readable, not TOML, a key that is no option, or a value of another type.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise OptionError(f"{path}: cannot be read as TOML ({error}).") from error
    table.pop("about", None)
    return _checked(table, Options, path.name, "")


def build_options(values: typing.Mapping[str, Any]) -> Options:
    """Options from values by their place, e.g. ``{"bids_dir": ..., "recon.model": ...}``; the rest are defaults.

    Raises
    ------
    ValueError
        A value that no option takes.
    """
    return _build(Options, values, "")


def places(kind: type = Options, start: str = "") -> dict[str, Any]:
    """Place of every option, in order, and its type: ``{"bids_dir": Path, ..., "recon.model": str, ...}``."""
    found: dict[str, Any] = {}
    for name, hint in get_type_hints(kind).items():
        found |= (
            places(typing.cast(type, hint), f"{start}{name}.")
            if dataclasses.is_dataclass(hint)
            else {start + name: hint}
        )
    return found


@functools.cache
def package_versions() -> dict[str, str]:
    """Installed versions of the packages on which results depend."""
    return {name: metadata.version(name) for name in PACKAGES}


def _table(options: Any) -> dict[str, Any]:
    """Nested plain values for TOML, which knows neither None (left out) nor paths (text)."""
    table: dict[str, Any] = {}
    for item in fields(options):
        value = getattr(options, item.name)
        if dataclasses.is_dataclass(value):
            table[item.name] = _table(value)
        elif isinstance(value, Path):
            table[item.name] = str(value)
        elif value is not None:
            table[item.name] = value
    return table


def _checked(table: dict[str, Any], kind: type, file: str, start: str) -> dict[str, Any]:
    hints = get_type_hints(kind)
    where = f" in [{start[:-1]}]" if start else ""
    if unknown := [key for key in table if key not in hints]:
        raise OptionError(f"{file}: unknown key {', '.join(unknown)}{where}; known are {', '.join(hints)}.")
    found: dict[str, Any] = {}
    for key, value in table.items():
        if dataclasses.is_dataclass(hints[key]):
            if not isinstance(value, dict):
                raise OptionError(f"{file}: {start}{key} is {value!r}; it is a table, [{start}{key}].")
            found |= _checked(value, typing.cast(type, hints[key]), file, f"{start}{key}.")
        else:
            found[start + key] = _converted(value, hints[key], f"{file}: {start}{key}")
    return found


def _converted(value: Any, hint: Any, what: str) -> Any:
    """A TOML value as the type of a field; a whole number serves as a real one, a text as a path."""
    kinds = [kind for kind in (get_args(hint) if get_origin(hint) is types.UnionType else (hint,)) if kind is not None]
    for kind in kinds:
        if get_origin(kind) is tuple and isinstance(value, list):
            inner = get_args(kind)[0]
            return tuple(_converted(item, inner, what) for item in value)
        if kind is Path and isinstance(value, str):
            return Path(value).expanduser().absolute()
        if kind is float and type(value) in (int, float):
            return float(value)
        if type(value) is kind:
            return value
    names = {str: "text", bool: "true or false", int: "a whole number", float: "a number", Path: "a path"}
    wanted = " or ".join(names.get(kind, "a list") for kind in kinds if kind is not type(None))
    raise OptionError(f"{what} is {value!r}; give {wanted}.")


def _build(kind: type[_T], values: typing.Mapping[str, Any], start: str) -> _T:
    given: dict[str, Any] = {}
    for name, hint in get_type_hints(kind).items():
        if dataclasses.is_dataclass(hint):
            given[name] = _build(typing.cast(type, hint), values, f"{start}{name}.")
        elif start + name in values:
            given[name] = values[start + name]
    return kind(**given)
