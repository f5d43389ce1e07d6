"""Options from TOML files: the presets that come with the package, or a user's own file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from fetalt2prep.sim.echo_train import EchoTrain
from fetalt2prep.sim.options import CaseOptions

PRESETS = resources.files("fetalt2prep.sim").joinpath("presets")


def preset_names() -> list[str]:
    """Names of the presets that come with the package, sorted."""
    return sorted(file.name.removesuffix(".toml") for file in PRESETS.iterdir() if file.name.endswith(".toml"))


def read_preset(name: str, changes: Mapping[str, object] | None = None) -> CaseOptions:
    """Options of a preset by name, or of a file whose name ends in ``.toml``, with some values changed.

    A file holds names and values of :class:`.CaseOptions`, in its units (seconds, millimetres); what it leaves out
    keeps the default.
    """
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise ValueError(f"{name}: there is no such file; a preset is a TOML file or one of {_known()}.")
        text = path.read_text("utf-8")
    elif name in preset_names():
        text = PRESETS.joinpath(f"{name}.toml").read_text("utf-8")
    else:
        raise ValueError(f"preset is {name!r}; known presets: {_known()}, or a file ending in .toml.")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{name}: is not TOML: {error}.") from error
    try:
        return options_from({**values, **(changes or {})})
    except ValueError as error:
        if name in preset_names():  # then what was changed is wrong, and the error names it
            raise
        raise ValueError(f"{name}: {error}") from error


def options_from(values: Mapping[str, object]) -> CaseOptions:
    """Options from TOML or JSON values: lists become tuples; a value of the wrong kind is named."""
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    _check_kinds(given, CaseOptions())
    train = given.get("echo_train")
    if isinstance(train, Mapping):
        _check_kinds(train, EchoTrain(), "echo_train.")
    return CaseOptions.from_mapping(given)


def _check_kinds(given: Mapping[str, object], default: CaseOptions | EchoTrain, prefix: str = "") -> None:
    """Raise where a value is of another kind than the default; a default of None says nothing."""
    for name, value in given.items():
        known = getattr(default, name, None)
        kind, wanted = _kind(value), _kind(known)
        if None not in (kind, wanted) and kind != wanted:
            raise ValueError(f"{prefix}{name} is {value!r}, a {kind}; it must be a {wanted}.")
        if isinstance(value, tuple) and isinstance(known, tuple):
            wrong = [item for item in value if _kind(item) != _kind(known[0])]
            if wrong:
                raise ValueError(
                    f"{prefix}{name} holds {wrong[0]!r}, a {_kind(wrong[0])}; it wants {_kind(known[0])}s."
                )


def _kind(value: object) -> str | None:
    """What a value is, in words; None where anything may stand."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "list" if isinstance(value, tuple) else None


def _known() -> str:
    return ", ".join(preset_names())
