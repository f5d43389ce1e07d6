"""The sequence of a guide, from what is said of it and from its sidecar."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fetalt2prep.core.signal import InversionRecovery, Mprage, SignalModel, SpinEcho, SpoiledGradientEcho
from fetalt2prep.io.sidecar import InputError, read_sidecar

KINDS: Mapping[str, Callable[..., SignalModel]] = {
    "se": SpinEcho,
    "ir": InversionRecovery,
    "spgr": SpoiledGradientEcho,
    "mprage": Mprage,
}
"""Spin echo (also fast), inversion recovery (also FLAIR), spoiled gradient echo, MPRAGE."""
NEEDS = {
    "se": ("te_s",),
    "ir": ("te_s", "ti_s"),
    "spgr": ("te_s", "tr_s", "flip_deg"),
    "mprage": ("te_s", "ti_s", "tr_s", "flip_deg", "spacing_s", "n_pulses"),
}
MAY = {"se": ("tr_s",), "ir": ("tr_s",), "spgr": (), "mprage": ()}
FIELDS = {
    "te_s": ("EchoTime",),
    "tr_s": ("RepetitionTimePreparation", "RepetitionTime"),
    "ti_s": ("InversionTime",),
    "flip_deg": ("FlipAngle",),
    "spacing_s": ("RepetitionTimeExcitation",),
    "n_pulses": ("NumberShots",),
}
"""Where BIDS keeps each parameter; the first one that is there counts."""
LONGEST_S = {"te_s": 5.0, "tr_s": 60.0, "ti_s": 20.0, "spacing_s": 1.0}


def guide_sequence(path: Path, kind: str, given: Mapping[str, float | None]) -> SignalModel:
    """Signal model of a guide; what is not given comes from the sidecar beside it.

    Parameters
    ----------
    path
        Image of the guide.
    kind
        One of :data:`KINDS`.
    given
        Parameters by their names in :data:`FIELDS`, seconds and degrees; None: not given. What the kind does not know
        is left aside.

    Raises
    ------
    InputError
        A parameter that the kind needs is nowhere, or cannot be seconds; or the values do not fit together.
    """
    if kind not in KINDS:
        raise InputError(f"{path.name}: guides are {', '.join(KINDS)}, not {kind!r}.")
    meta, values = read_sidecar(path), {}
    for name in (*NEEDS[kind], *MAY[kind]):
        value = given.get(name)
        if value is None:
            value = next((meta[field] for field in FIELDS[name] if field in meta), None)
        if value is None and name in MAY[kind]:
            continue
        values[name] = _checked(path, kind, name, value)
    if "n_pulses" in values:
        values["n_pulses"] = round(values["n_pulses"])
    try:
        return KINDS[kind](**values)
    except ValueError as error:
        raise InputError(f"{path.name}: {error}") from error


def sequence_account(model: SignalModel) -> dict[str, Any]:
    """A signal model for JSON; an endless TR is None."""
    values = {name: None if value == math.inf else value for name, value in vars(model).items()}
    return {"kind": next(kind for kind, made in KINDS.items() if isinstance(model, made)), **values}  # type: ignore[arg-type]


def _checked(path: Path, kind: str, name: str, value: Any) -> float:
    field = FIELDS[name][-1]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        said = "is not given" if value is None else f"is {value!r}, not a number"
        option = f"--guide-{name.rpartition('_')[0] if name != 'n_pulses' else 'pulses'}"
        raise InputError(f"{path.name}: {field} {said}, and a guide of kind {kind} needs it. Give {option}.")
    if value >= LONGEST_S.get(name, math.inf):
        raise InputError(f"{path.name}: {field} is {value:g}; seconds are wanted. Were milliseconds given?")
    return float(value)
