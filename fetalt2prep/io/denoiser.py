"""Any denoiser by its name: the classical ones, and the network with its weights from a file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.core.denoise.options import DENOISERS, WITHOUT_FLOOR
from fetalt2prep.core.denoise.registry import REGISTRY
from fetalt2prep.core.denoise.unet.cascade import DenoisingCascade
from fetalt2prep.core.denoise.unet.denoise import Ranges, denoise_unet, out_of_range
from fetalt2prep.io.denoiser_weights import load_denoiser, packaged_denoiser
from fetalt2prep.io.weights import read_card

INSTEAD = "nlm"
"""What is done where the network cannot be used."""


@dataclass(frozen=True)
class Denoised:
    """A stack after a denoiser."""

    pixels: NDArray[np.float32]
    """(x, y, slice) on the scale of the input."""
    floor: float
    """Noise that still lifts dark pixels; 0 after a method that takes it off."""
    note: str = ""
    """Why another method was used than was asked for; empty where it was not."""


def denoise_stack(
    name: str,
    pixels: NDArray[np.float32],
    sigma: float,
    mask: NDArray[np.bool_] | None,
    weights: Path | None = None,
) -> Denoised:
    """Denoise a stack by one of :data:`fetalt2prep.core.denoise.options.DENOISERS`.

    ``unet`` takes the weights of a file, or those of the package. Where there are none, or the stack lies outside what
    they were trained on, :func:`.nlm.denoise_nlm` is used instead and ``note`` says why.
    """
    used, note = name, ""
    if name == "unet":
        path = packaged_denoiser() if weights is None else weights
        if weights is None and not path.is_file():
            note = "the package holds no weights of the network"
        else:
            note = out_of_range(pixels, sigma, mask, _ranges(path))
        if not note:
            return Denoised(denoise_unet(pixels, sigma, mask, _network(path)), 0.0)
        used, note = INSTEAD, f"{DENOISERS[INSTEAD]} in place of the network: {note}"
    found = REGISTRY[used](pixels, sigma, mask)
    return Denoised(found, 0.0 if used in WITHOUT_FLOOR else sigma, note)


@cache
def _network(path: Path) -> DenoisingCascade:
    return load_denoiser(path)


@cache
def _ranges(path: Path) -> Ranges:
    """The ranges of the card beside the weights; the defaults where there is none."""
    stored = read_card(path).get("ranges", {})
    known = {name: tuple(stored[name]) for name in ("snr", "matrix") if name in stored}
    return Ranges(**known)
