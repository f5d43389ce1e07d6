"""Weights of the network of guided super-resolution."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch

from fetalt2prep.core.guided.network import GuidedNet
from fetalt2prep.core.guided.refine_network import Switches
from fetalt2prep.io.weights import load_network, packaged, save_weights

FORMAT = "fetalt2prep-guided-net-1"
PACKAGED = "guided.safetensors"


def packaged_guided_net() -> Path:
    """The weights that come with the package."""
    return packaged(PACKAGED)


def save_guided_net(network: GuidedNet, switches: Switches, path: Path) -> Path:
    """Write the weights as 16-bit numbers, and what the network was given; returns ``path``."""
    metadata = {
        "format": FORMAT,
        "width": str(network.width),
        "n_blocks": str(network.n_blocks),
        "switches": json.dumps([switches.maps, switches.anchor]),
    }
    return save_weights(network, metadata, path)


def load_guided_net(path: Path) -> tuple[GuidedNet, Switches]:
    """The network and what it was given in its training; see :func:`fetalt2prep.io.weights.load_network`.

    Channels lie last in memory: a third less time on a CPU.
    """
    network, metadata = load_network(path, FORMAT, _made, writer="train-guided")
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    maps, anchor = json.loads(metadata["switches"])
    return network, Switches(maps=bool(maps), anchor=bool(anchor))


def _made(metadata: Mapping[str, str]) -> GuidedNet:
    return GuidedNet(int(metadata["width"]), int(metadata["n_blocks"]))
