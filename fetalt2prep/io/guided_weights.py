"""Weights of the network of guided super-resolution."""

from __future__ import annotations

import json
from pathlib import Path

from fetalt2prep.core.guided.network import GuidedNet
from fetalt2prep.core.guided.refine_network import Switches
from fetalt2prep.io.weights import fill, packaged, read_weights, save_weights

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
    """The network of a weights file, ready to answer, and what it was given in its training.

    Raises
    ------
    InputError
        The file is not what its card says, or not of this network.
    """
    arrays, metadata = read_weights(path, FORMAT, writer="train-guided")
    network = GuidedNet(int(metadata["width"]), int(metadata["n_blocks"]))
    fill(network, arrays, path)
    maps, anchor = json.loads(metadata["switches"])
    return network, Switches(maps=bool(maps), anchor=bool(anchor))
