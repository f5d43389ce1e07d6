"""Arrays and text in one file of the safetensors format.

Eight bytes with the header's length, a JSON header with name, type, shape and place of each array, then the bytes of
the arrays: https://huggingface.co/docs/safetensors. Nothing in such a file is ever executed. Written here with NumPy:
the format is three dozen lines, and a dependency for it would be one more thing to install.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.io.sidecar import InputError

DTYPES = {"BOOL": "|b1", "U8": "|u1", "I8": "|i1", "I32": "<i4", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8"}
NAMES = {np.dtype(code): name for name, code in DTYPES.items()}
LONGEST_HEADER = 100_000_000  # the format's own limit, bytes


def save_tensors(arrays: Mapping[str, NDArray[np.generic]], metadata: Mapping[str, str], path: Path) -> Path:
    """Write arrays under their names, and texts under theirs; returns ``path``."""
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    offset = 0
    for name, array in arrays.items():
        dtype = array.dtype.newbyteorder("<")
        if dtype not in NAMES:
            raise ValueError(f"{name}: arrays of {array.dtype} cannot be stored; known are {', '.join(DTYPES)}.")
        end = offset + array.nbytes
        header[name] = {"dtype": NAMES[dtype], "shape": list(array.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the arrays begin at a multiple of eight bytes
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            stream.write(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes())
    return path


def load_tensors(path: Path) -> tuple[dict[str, NDArray[np.generic]], dict[str, str]]:
    """Arrays by name, and the texts.

    Raises
    ------
    InputError
        Not a file of this format, or cut off.
    """
    content = path.read_bytes()
    try:
        (length,) = struct.unpack_from("<Q", content)
        if length > min(LONGEST_HEADER, len(content)):
            raise ValueError(f"its header would be {length} bytes long")
        header = json.loads(content[8 : 8 + length])
        metadata = {str(k): str(v) for k, v in header.pop("__metadata__", {}).items()}
        arrays = {name: _array(entry, memoryview(content)[8 + length :]) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise InputError(
            f"{path.name}: cannot be read as safetensors ({error}). Is it another kind of file, or was it cut off?"
        ) from error
    return arrays, metadata


def _array(entry: Mapping[str, Any], data: memoryview) -> NDArray[np.generic]:
    begin, end = (int(place) for place in entry["data_offsets"])
    if not 0 <= begin <= end <= len(data):
        raise ValueError(f"{len(data)} bytes of arrays, where {end} should be")
    array: NDArray[np.generic] = np.frombuffer(data[begin:end], np.dtype(DTYPES[entry["dtype"]]))
    return array.reshape(entry["shape"]).copy()
