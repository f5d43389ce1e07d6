"""A network for brain masks from a file: the one in the package, or anyone's as TorchScript or ONNX.

A foreign network gets pictures (n, channels, y, x), float32, in which 1 is bright tissue (the 98th percentile of what
is not air) and 2 the brightest value, and answers with logits (n, y, x) or (n, 1, y, x). What else it wants to be
shown stands in a JSON file of the same name beside it; every key may be missing:

``pixel_mm`` (2.0)
    In-plane pixel size, mm.
``n_neighbours`` (1)
    Slices on either side that are given as further channels, in their order; 0: one channel.
``multiple`` (16)
    The sides of a picture are made multiples of this with zeros.
``output`` (``logits``)
    ``logits``, or ``probability``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fetalt2prep.core.mask.learned import MaskModel
from fetalt2prep.io.mask_weights import load_mask_net, packaged_weights
from fetalt2prep.io.sidecar import InputError
from fetalt2prep.io.weights import card_path

KEYS: dict[str, type | tuple[type, ...]] = {
    "pixel_mm": (int, float),
    "n_neighbours": int,
    "multiple": int,
    "output": str,
}
OUTPUTS = ("logits", "probability")
TORCHSCRIPT = (".pt", ".ts", ".torchscript", ".jit")
SUFFIXES = (".safetensors", ".onnx", *TORCHSCRIPT)


def load_mask_model(path: Path | None = None) -> MaskModel:
    """A network from a file; None: the one in the package.

    Raises
    ------
    InputError
        Not a network, one whose card asks for what cannot be given, or ONNX without the package that runs it.
    """
    if path is None:
        path = packaged_weights()
    if not path.is_file():
        raise InputError(f"{path}: there is no such mask model.")
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path.name}: a mask model ends in one of {', '.join(SUFFIXES)}.")
    if path.suffix == ".safetensors":
        network = load_mask_net(path)
        return MaskModel(predict=lambda x: torch.sigmoid(network(x.contiguous(memory_format=torch.channels_last))))
    wishes = _read_wishes(path)
    logits = wishes.pop("output", "logits") == "logits"
    run = _open_onnx(path) if path.suffix == ".onnx" else _open_torchscript(path)
    return MaskModel(predict=lambda x: _checked(run(x), x, path.name, logits=logits), **wishes)


def _read_wishes(path: Path) -> dict[str, Any]:
    place = card_path(path)
    if not place.is_file():
        return {}
    try:
        found = json.loads(place.read_text("utf-8"))
    except ValueError as error:
        raise InputError(f"{place.name}: cannot be read as JSON ({error}).") from error
    wishes = {key: value for key, value in found.items() if key in KEYS}
    for key, value in wishes.items():
        if not isinstance(value, KEYS[key]) or isinstance(value, bool):
            raise InputError(f"{place.name}: {key} is {value!r}, which is of the wrong type.")
    if wishes.get("output", OUTPUTS[0]) not in OUTPUTS:
        raise InputError(f"{place.name}: output is {wishes['output']!r}; write one of {', '.join(OUTPUTS)}.")
    if wishes.get("pixel_mm", 1) <= 0 or wishes.get("n_neighbours", 0) < 0 or wishes.get("multiple", 1) < 1:
        raise InputError(f"{place.name}: pixel_mm and multiple must be positive, and n_neighbours 0 or more.")
    return wishes


def _open_torchscript(path: Path) -> Callable[[Tensor], Tensor]:
    try:
        network = torch.jit.load(str(path), map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"{path.name}: cannot be read as TorchScript. Save the network with torch.jit.script(network).save(file); "
            "a file of torch.save holds only weights."
        ) from error

    def run(x: Tensor) -> Tensor:
        out: Tensor = network(x)
        return out

    return run


def _open_onnx(path: Path) -> Callable[[Tensor], Tensor]:
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(
            f"{path.name}: ONNX networks need the package onnxruntime; install it with pip install "
            "'fetalt2prep[onnx]', or save the network as TorchScript."
        ) from error
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no other base
        raise InputError(f"{path.name}: cannot be read as ONNX ({error}).") from error
    name = session.get_inputs()[0].name
    return lambda x: torch.from_numpy(np.asarray(session.run(None, {name: x.numpy()})[0], np.float32))


def _checked(out: object, shown: Tensor, name: str, *, logits: bool) -> Tensor:
    """Probability (n, y, x) from what a foreign network says."""
    expected = (shown.shape[0], *shown.shape[2:])
    if not isinstance(out, Tensor) or tuple(out.shape) not in (expected, (expected[0], 1, *expected[1:])):
        found = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
        raise InputError(f"{name}: answers with {found} to pictures of {tuple(shown.shape)}; {expected} is wanted.")
    value = out.reshape(expected).float()
    if logits:
        return torch.sigmoid(value)
    if float(value.min()) < 0 or float(value.max()) > 1:
        raise InputError(f"{name}: its card says output is probability, but it gives values outside 0 to 1.")
    return value
