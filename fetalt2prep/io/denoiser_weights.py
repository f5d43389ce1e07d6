"""Weights of the denoising cascade."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from fetalt2prep.core.denoise.unet.cascade import DenoisingCascade
from fetalt2prep.io.weights import load_network, packaged, save_weights

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
    """The cascade of a weights file; see :func:`fetalt2prep.io.weights.load_network`."""
    return load_network(path, FORMAT, _made, writer="train-denoiser")[0]


def _made(metadata: Mapping[str, str]) -> DenoisingCascade:
    return DenoisingCascade(tuple(json.loads(metadata["widths"])), int(metadata["n_stages"]))
