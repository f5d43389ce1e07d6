"""Weights of the denoising cascade."""

from __future__ import annotations

import json
from pathlib import Path

from fetalt2prep.core.denoise.unet.cascade import DenoisingCascade
from fetalt2prep.io.weights import fill, packaged, read_weights, save_weights

FORMAT = "fetalt2prep-denoiser-1"
PACKAGED = "denoiser.safetensors"


def packaged_denoiser() -> Path:
    """The weights that come with the package."""
    return packaged(PACKAGED)


def save_denoiser(network: DenoisingCascade, path: Path) -> Path:
    """Write the weights as 16-bit numbers; returns ``path``."""
    metadata = {
        "format": FORMAT,
        "widths": json.dumps(network.residual.widths),
        "n_stages": str(network.n_stages),
    }
    return save_weights(network, metadata, path)


def load_denoiser(path: Path) -> DenoisingCascade:
    """The cascade of a weights file, ready to answer.

    Raises
    ------
    InputError
        The file is not what its card says, or not of this network.
    """
    arrays, metadata = read_weights(path, FORMAT, writer="train-denoiser")
    network = DenoisingCascade(tuple(json.loads(metadata["widths"])), int(metadata["n_stages"]))
    fill(network, arrays, path)
    return network
