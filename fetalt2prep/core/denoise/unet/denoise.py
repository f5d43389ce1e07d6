"""A trained cascade at work on the slices of a stack, and when it must not be used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fetalt2prep.core.denoise.slicewise import Plane, in_each_slice
from fetalt2prep.core.denoise.unet.cascade import DenoisingCascade

FOREGROUND_LEVEL = 0.1  # of the 99th percentile, where no mask says what to look at


@dataclass(frozen=True, kw_only=True)
class Ranges:
    """What a network was trained on, both ends included."""

    snr: tuple[float, float] = (3.0, 200.0)
    """Mean signal in the mask over the noise. Whole pictures were drawn from 3 on, before acceleration."""
    matrix: tuple[int, int] = (32, 1024)
    """Pixels along each side of a slice."""


def denoise_unet(
    pixels: NDArray[np.float32],
    sigma: float,
    mask: NDArray[np.bool_] | None,
    network: DenoisingCascade,
) -> NDArray[np.float32]:
    """What the network makes of each slice in the surroundings of its mask.

    pixels, sigma, mask and the scale of the result as in :func:`fetalt2prep.core.denoise.nlm.denoise_nlm`. The network
    was trained towards images without noise: what it returns has no noise floor, and a reconstruction that follows
    must not model one.
    """
    if sigma <= 0:
        return pixels.copy()
    noise = torch.tensor([1.0])

    def denoise(plane: Plane) -> Plane:
        image = torch.from_numpy((plane / sigma).astype(np.float32))[None, None]
        with torch.inference_mode():
            found = network(image.contiguous(memory_format=torch.channels_last), noise)[-1]
        return np.asarray(sigma * found[0, 0].double().numpy())

    return in_each_slice(pixels, mask, denoise)


def out_of_range(pixels: NDArray[np.float32], sigma: float, mask: NDArray[np.bool_] | None, ranges: Ranges) -> str:
    """Why a stack (x, y, slice) lies outside what the network knows; empty where it does not."""
    low, high = ranges.matrix
    if not low <= min(pixels.shape[:2]) <= max(pixels.shape[:2]) <= high:
        shape = " x ".join(map(str, pixels.shape[:2]))
        return f"slices of {shape} pixels; the network knows {low} to {high}"
    seen = pixels > FOREGROUND_LEVEL * np.percentile(pixels, 99) if mask is None else mask
    if sigma <= 0 or not seen.any():
        return ""
    snr = float(pixels[seen].mean()) / sigma
    if not ranges.snr[0] <= snr <= ranges.snr[1]:
        return f"signal-to-noise ratio {snr:.1f}; the network knows {ranges.snr[0]:g} to {ranges.snr[1]:g}"
    return ""
