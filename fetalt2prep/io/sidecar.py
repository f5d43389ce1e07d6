"""Acquisition parameters from BIDS sidecars, checked at the door."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_TE_S = 5.0
MAX_THICKNESS_MM = 50.0
MAX_SLICE_TIME_S = 3600.0
DIRECTIONS = ("i", "j", "k", "i-", "j-", "k-")


class InputError(ValueError):
    """An input that cannot be used; the text names the file, the value, and the way out."""


def together(messages: Sequence[str]) -> str:
    """Messages ``a.nii: why.`` in one text: each reason once, behind the files it holds for, ``a.nii, b.nii: why.``."""
    files: dict[str, list[str]] = {}
    for message in messages:
        file, colon, reason = message.partition(": ")
        files.setdefault(colon + reason, []).append(file)
    return " | ".join(", ".join(of_it) + reason for reason, of_it in files.items())


def read_sidecar(image: Path) -> dict[str, Any]:
    """Content of the JSON file beside an image; empty when there is none. Raises like :func:`read_json`."""
    path = sidecar_path(image)
    return read_json(path) if path.is_file() else {}


def sidecar_path(image: Path) -> Path:
    """The JSON file beside an image."""
    return image.with_name(image.name.removesuffix(".gz").removesuffix(".nii") + ".json")


def read_json(path: Path) -> dict[str, Any]:
    """Content of a sidecar.

    Raises
    ------
    InputError
        It cannot be read, or is not a JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))  # Windows puts a mark in front
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path.name}: not readable as JSON ({error}). Correct the file or convert it again."
        ) from error
    if not isinstance(content, dict):
        raise InputError(
            f"{path.name}: holds a JSON {type(content).__name__}; a sidecar is an object with names and values."
        )
    return content


def echo_time_s(meta: Mapping[str, Any], name: str) -> float:
    """EchoTime in seconds.

    Raises
    ------
    InputError
        Missing, not a number, not positive, or so long that it must be milliseconds.
    """
    if "EchoTime" not in meta:
        raise InputError(f"{name}: EchoTime is missing. Add it to the sidecar, in seconds.")
    te = _number(meta["EchoTime"])
    if te is None:
        raise InputError(f"{name}: EchoTime is {meta['EchoTime']!r}, not a number. BIDS wants seconds, e.g. 0.09.")
    if te <= 0:
        raise InputError(f"{name}: EchoTime is {te:g} s; it must be positive. Correct the sidecar.")
    if te >= MAX_TE_S:
        raise InputError(
            f"{name}: EchoTime is {te:g}; BIDS wants seconds. Did the converter write milliseconds? "
            f"Then it should be {te / 1000:g}."
        )
    return te


def thickness_mm(meta: Mapping[str, Any], spacing_mm: float, name: str) -> tuple[float, str]:
    """SliceThickness in mm and a note; the distance between slices, and a note that says so, when it is
    absent.

    Raises
    ------
    InputError
        Not a number, not positive, or above 50 mm.
    """
    if "SliceThickness" not in meta:
        return float(spacing_mm), f"SliceThickness absent: slice spacing {spacing_mm:.4g} mm used"
    thickness = _number(meta["SliceThickness"])
    if thickness is None or not 0 < thickness <= MAX_THICKNESS_MM:
        raise InputError(
            f"{name}: SliceThickness is {meta['SliceThickness']!r}; BIDS wants millimetres, above 0 "
            "and at most "
            f"{MAX_THICKNESS_MM:g}. Correct the sidecar, or remove the field to have the slice spacing used."
        )
    return thickness, ""


def slice_times_s(meta: Mapping[str, Any], n_slices: int, name: str) -> NDArray[np.float64] | None:
    """Acquisition time of each slice, (slice,), seconds, in the order of the array; None when unknown.

    With SliceEncodingDirection ``k-`` (``i-``, ``j-``) BIDS lists the times from the last slice to the first.

    Raises
    ------
    InputError
        SliceTiming is not a list of one finite, non-negative number of seconds per slice.
    """
    timing = meta.get("SliceTiming")
    if timing is None:
        return None
    way_out = "Correct the sidecar, or remove SliceTiming to go on without slice times."
    values = [_number(value) for value in timing] if isinstance(timing, list | tuple) else None
    if values is None:
        raise InputError(f"{name}: SliceTiming is {timing!r}, not a list of seconds. {way_out}")
    if len(values) != n_slices:
        raise InputError(f"{name}: SliceTiming has {len(values)} times for {n_slices} slices. {way_out}")
    times = np.array([math.nan if value is None else value for value in values], dtype=np.float64)
    if not np.all(times >= 0):
        bad = timing[int(np.flatnonzero(~(times >= 0))[0])]
        raise InputError(f"{name}: SliceTiming holds {bad!r}, not a time in seconds. {way_out}")
    if times.max(initial=0.0) > MAX_SLICE_TIME_S:
        raise InputError(
            f"{name}: SliceTiming reaches {times.max():g}; BIDS wants seconds. Are these milliseconds? {way_out}"
        )
    return times[::-1].copy() if slice_direction(meta, name).endswith("-") else times


def slice_direction(meta: Mapping[str, Any], name: str) -> str:
    """SliceEncodingDirection: the array axis along which slices lie, ``k`` when the sidecar does not say.

    Raises
    ------
    InputError
        It is none of i, j, k, i-, j-, k-.
    """
    direction = meta.get("SliceEncodingDirection", "k")
    if direction not in DIRECTIONS:
        raise InputError(
            f"{name}: SliceEncodingDirection is {direction!r}; BIDS knows {', '.join(DIRECTIONS)}. Correct the sidecar."
        )
    return str(direction)


def _number(value: object) -> float | None:
    """A finite JSON number as float, else None; true and false are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
