"""A fitted field in a file: parameters as arrays, everything else as JSON in the file's own metadata."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fetalt2prep import __version__
from fetalt2prep.core.field.build import FieldSpec, make_field, state_of
from fetalt2prep.core.geometry import Grid
from fetalt2prep.core.recon.fitted import FittedField
from fetalt2prep.io.sidecar import InputError
from fetalt2prep.io.tensor_file import load_tensors, save_tensors

FORMAT, VERSION = "fetalt2prep-field", 1
"""The version counts up whenever a file of the one before could no longer be read as it was meant."""
PARAMETER = "field."  # begins the names of the field's own arrays


def save_field(fitted: FittedField, path: Path) -> Path:
    """Write a field, from whatever device it is on; returns ``path``."""
    arrays: dict[str, NDArray[np.generic]] = {
        PARAMETER + name: value.numpy() for name, value in state_of(fitted.field).items()
    }
    arrays |= {"mask": fitted.mask, "affine": fitted.affine}
    arrays["echo_stderr"] = fitted.echo_stderr.astype(np.float32)
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "software": f"fetalt2prep {__version__}",
        "spec": json.dumps(asdict(fitted.spec)),
        "scale": repr(fitted.scale),
        "units": "echo times in s, lengths in mm, field in log of signal over scale",
    }
    return save_tensors(arrays, metadata, path)


def load_field(path: Path, device: str = "cpu") -> FittedField:
    """A field as it was saved, on any device.

    Raises
    ------
    InputError
        Not a field, of another version of the format, or not whole.
    """
    arrays, metadata = load_tensors(path)
    if metadata.get("format") != FORMAT:
        raise InputError(f"{path.name}: holds no fitted field; name a file that the reconstruction saved.")
    if metadata.get("version") != str(VERSION):
        raise InputError(
            f"{path.name}: is a field of format version {metadata.get('version')}, written by "
            f"{metadata.get('software', 'an unknown program')}; this is fetalt2prep {__version__}, which reads version "
            f"{VERSION}. Reconstruct again, or sample the field with the version that wrote it."
        )
    try:
        spec = _spec(metadata["spec"])
        with torch.random.fork_rng(devices=[]):  # parameters are drawn, and then replaced
            field = make_field(spec)
        own = {name.removeprefix(PARAMETER): value for name, value in arrays.items() if name.startswith(PARAMETER)}
        field.load_state_dict({name: torch.from_numpy(value) for name, value in own.items()})
        return FittedField(
            spec=spec,
            field=field.to(device),
            scale=float(metadata["scale"]),
            mask=np.asarray(arrays["mask"], dtype=bool),
            echo_stderr=np.asarray(arrays["echo_stderr"], dtype=np.float32),
            affine=np.asarray(arrays["affine"], dtype=np.float64),
        )
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        told = " ".join(str(error).split())
        raise InputError(f"{path.name}: the field is not whole ({told}). Copy the file again.") from error


def _spec(text: str) -> FieldSpec:
    values: dict[str, Any] = json.loads(text)
    grid = values.pop("grid")
    values |= {name: tuple(values[name]) for name in ("te_s", "mean_log_signal", "spacings_mm")}
    values["grid"] = Grid(tuple(grid["origin_mm"]), grid["spacing_mm"], tuple(grid["shape"]))
    return FieldSpec(**values)
