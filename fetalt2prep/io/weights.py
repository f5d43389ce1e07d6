"""Weights of a network in safetensors, with a card beside them that tells where they come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fetalt2prep.io.sidecar import InputError, read_json
from fetalt2prep.io.tensor_file import load_tensors, save_tensors

Network = TypeVar("Network", bound=nn.Module)


def packaged(name: str) -> Path:
    """A file of weights that comes with the package."""
    return Path(str(resources.files("fetalt2prep.weights").joinpath(name)))


def save_weights(network: nn.Module, metadata: Mapping[str, str], path: Path) -> Path:
    """Write weights and running statistics as 16-bit numbers; returns ``path``."""
    arrays = {
        name: value.detach().cpu().contiguous().numpy().astype(np.float16)
        for name, value in network.state_dict().items()
        if value.is_floating_point()
    }
    return save_tensors(arrays, metadata, path)


def write_card(path: Path, card: dict[str, Any]) -> Path:
    """Write the card of a weights file beside it, with the file's size and SHA-256; returns the card's path."""
    whole = {"file": path.name, "bytes": path.stat().st_size, "sha256": sha256_of(path)} | card
    place = card_path(path)
    place.write_text(json.dumps(whole, indent=2) + "\n", "utf-8")
    return place


def card_path(path: Path) -> Path:
    """The card of a weights file."""
    return path.with_suffix(".json")


def read_card(path: Path) -> dict[str, Any]:
    """The card beside a weights file; empty where there is none. Raises ``InputError`` where it is no JSON object."""
    card = card_path(path)
    return read_json(card) if card.is_file() else {}


def load_network(
    path: Path, known: str, make: Callable[[Mapping[str, str]], Network], *, writer: str
) -> tuple[Network, dict[str, str]]:
    """The network of a weights file of format ``known``, ready to answer, and the file's texts.

    ``make`` builds an empty one from the texts; ``writer`` is the command that leaves such files.

    Raises
    ------
    InputError
        The file is not what its card says, or not of this network.
    """
    arrays, metadata = _read(path, known, writer)
    network = make(metadata)
    _fill(network, arrays, path)
    return network, metadata


def _read(path: Path, known: str, writer: str) -> tuple[dict[str, NDArray[np.generic]], dict[str, str]]:
    """Arrays by name and texts of a weights file that is what its card says."""
    if card_path(path).is_file():
        expected = read_card(path).get("sha256")
        if expected != (found := sha256_of(path)):
            raise InputError(
                f"{path.name}: its SHA-256 is {found}, but {card_path(path).name} says {expected}. The file was "
                "changed or cut off; install the package again, or train the network again."
            )
    arrays, metadata = load_tensors(path)
    if metadata.get("format") != known:
        raise InputError(f"{path.name}: holds no weights of this network ({known}). Was it written by {writer}?")
    return arrays, metadata


def _fill(network: nn.Module, arrays: Mapping[str, NDArray[np.generic]], path: Path) -> None:
    """Give a network its weights and make it ready to answer."""
    values = {name: torch.from_numpy(np.asarray(array, np.float32)) for name, array in arrays.items()}
    missing, unexpected = network.load_state_dict(values, strict=False)
    lacking = [name for name in missing if not name.endswith("num_batches_tracked")]
    if lacking or unexpected:
        raise InputError(f"{path.name}: its arrays are not those of the network ({[*lacking, *unexpected][:3]}).")
    network.eval().requires_grad_(False)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
