"""Pixels that no signal can have: NaN and negative values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fetalt2prep.io.sidecar import InputError

MAX_NEGATIVE_SHARE = 0.001
FOREGROUND_LEVEL = 0.1
"""Without a mask only pixels above this share of the 99th percentile count: background may ring about 0."""


def clean_pixels(
    pixels: NDArray[np.float32], mask: NDArray[np.bool_] | None, name: str
) -> tuple[NDArray[np.float32], list[str]]:
    """Set what is no signal to 0 where it does not matter, refuse where it does.

    Parameters
    ----------
    pixels
        (x, y, slice), scanner units.
    mask
        (x, y, slice), the brain; None when it is not known yet.
    name
        File, for messages.

    Returns
    -------
    pixels
        Finite and not negative.
    notes
        What was changed.

    Raises
    ------
    InputError
        NaN or infinity in the mask (without a mask: anywhere but in a border of the image); more than 0.1 %
        of the mask's pixels negative (without a mask: of the clearly non-zero pixels); no signal at all.
    """
    notes: list[str] = []
    finite = np.isfinite(pixels)
    where = "inside the brain mask" if mask is not None else "inside the image"
    if not finite.all():
        matters = ~finite & (mask if mask is not None else ~_border(~finite))
        if matters.any():
            raise InputError(
                f"{name}: {int(matters.sum())} pixels {where} are NaN or infinite. Export the stack "
                "again, or give a "
                "mask without them."
            )
        pixels = np.where(finite, pixels, np.float32(0))
        notes.append(f"{int((~finite).sum())} NaN pixels outside the brain set to 0")
    counted = mask if mask is not None else _foreground(pixels)
    negative = pixels < 0
    n_bad = int((negative & counted).sum())
    if n_bad > MAX_NEGATIVE_SHARE * int(counted.sum()):
        raise InputError(
            f"{name}: {n_bad} pixels {where} are negative, down to {float(pixels.min()):.4g} "
            f"({100 * n_bad / int(counted.sum()):.3g} %). A magnitude image has none: is this a "
            "phase, difference or "
            "normalised image? Give the magnitude as the scanner wrote it."
        )
    if negative.any():
        pixels = np.where(negative, np.float32(0), pixels)
        notes.append(f"{int(negative.sum())} negative pixels set to 0 ({n_bad} of them {where})")
    if not (pixels[mask] > 0).any() if mask is not None else not (pixels > 0).any():
        raise InputError(f"{name}: all pixels {where} are zero. Leave the stack out, or export it again.")
    return pixels, notes


def _border(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The part of a region that touches the edge of the image plane, slice by slice."""
    edge = np.zeros_like(region)
    edge[[0, -1]] = True
    edge[:, [0, -1]] = True
    in_plane = ndimage.generate_binary_structure(3, 1)
    in_plane[:, :, [0, 2]] = False
    return np.asarray(ndimage.binary_propagation(edge & region, structure=in_plane, mask=region), dtype=np.bool_)


def _foreground(pixels: NDArray[np.float32]) -> NDArray[np.bool_]:
    size = np.abs(pixels)
    return np.asarray(size > FOREGROUND_LEVEL * np.percentile(size, 99), dtype=np.bool_)
