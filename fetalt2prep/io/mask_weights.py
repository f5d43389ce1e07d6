"""Weights of the mask network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from fetalt2prep.core.mask.network import WIDTHS, MaskNet
from fetalt2prep.io.weights import load_network, packaged, save_weights

FORMAT = "fetalt2prep-mask-net-1"
PACKAGED = "brain_mask.safetensors"


def packaged_weights() -> Path:
    """The weights that come with the package."""
    return packaged(PACKAGED)


def save_mask_net(network: MaskNet, path: Path) -> Path:
    """Write weights and running statistics as 16-bit numbers; returns ``path``."""
    return save_weights(network, {"format": FORMAT, "widths": json.dumps(network.widths)}, path)


def load_mask_net(path: Path) -> MaskNet:
    """The network of a weights file; see :func:`fetalt2prep.io.weights.load_network`."""
    return load_network(path, FORMAT, _made, writer="train-mask")[0]


def _made(metadata: Mapping[str, str]) -> MaskNet:
    return MaskNet(tuple(json.loads(metadata.get("widths", json.dumps(WIDTHS)))))
