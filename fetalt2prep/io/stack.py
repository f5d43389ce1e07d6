"""NIfTI files to stacks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.core.stack import Stack
from fetalt2prep.io.mask import load_mask
from fetalt2prep.io.pixels import clean_pixels
from fetalt2prep.io.sidecar import DIRECTIONS, MAX_TE_S, InputError, read_sidecar, slice_direction
from fetalt2prep.io.volume import read_volume


def load_stack(
    image: Path,
    mask: Path | None,
    *,
    te_s: float,
    thickness_mm: float | None = None,
    slice_times_s: Sequence[float] | None = None,
    direction: str | None = None,
) -> tuple[Stack, list[str]]:
    """Read and check one stack.

    Parameters
    ----------
    image, mask
        NIfTI files. Without a mask the stack's mask is True everywhere.
    te_s
        Echo time, seconds.
    thickness_mm
        Slice thickness; the distance between slices when None.
    slice_times_s
        Acquisition time of each slice, in the order of the array; None or empty when unknown.
    direction
        SliceEncodingDirection (``i``, ``j``, ``k``, each also with ``-``). None: as the sidecar beside the
        image says, ``k`` without one. Slices along i or j are brought to the third axis. Times are not
        reordered here.

    Returns
    -------
    stack
        Slices last, pixels finite and not negative, scanner units.
    notes
        What was assumed or changed.

    Raises
    ------
    InputError
        The stack cannot be used; the text begins with the file's name.
    """
    if not 0 < te_s < MAX_TE_S:
        raise InputError(f"{image.name}: the echo time is {te_s} s; give seconds, above 0 and below {MAX_TE_S:g}.")
    if direction is None:
        direction = slice_direction(read_sidecar(image), image.name)
    elif direction not in DIRECTIONS:
        raise InputError(f"{image.name}: the slice direction is {direction!r}; give one of {', '.join(DIRECTIONS)}.")
    pixels, affine, notes = read_volume(image)
    brain: NDArray[np.bool_] | None = None
    if mask is not None:
        brain, said = load_mask(mask, pixels.shape, affine, image.name)
        notes += said
    order = {"i": (1, 2, 0), "j": (2, 0, 1), "k": (0, 1, 2)}[direction[0]]
    if order != (0, 1, 2):
        notes.append(f"slices along {direction[0]}: axes permuted so that slices are last")
        pixels, affine = np.ascontiguousarray(pixels.transpose(order)), affine[:, [*order, 3]]
        brain = brain if brain is None else np.ascontiguousarray(brain.transpose(order))
    pixels, said = clean_pixels(pixels, brain, image.name)
    notes += said
    if pixels.shape[2] == 1:
        notes.append("one slice only")
    stack = Stack(
        name=stack_name(image),
        pixels=pixels,
        mask=np.ones(pixels.shape, dtype=np.bool_) if brain is None else brain,
        affine=affine,
        te_s=float(te_s),
        thickness_mm=_thickness(thickness_mm, affine, image.name),
        slice_times_s=_slice_times(slice_times_s, pixels.shape[2], image.name),
    )
    return stack, notes


def stack_name(image: Path) -> str:
    """File name without ``.nii`` or ``.nii.gz``."""
    return image.name.removesuffix(".gz").removesuffix(".nii")


def orientation(affine: NDArray[np.float64]) -> str:
    """Plane of the slices and its angle, ``ax 3 deg``; ``oblique`` above 30 deg from every scanner plane."""
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    along = np.abs(normal) / np.linalg.norm(normal)
    nearest = int(np.argmax(along))
    angle_deg = math.degrees(math.acos(min(1.0, float(along[nearest]))))
    return f"{('sag', 'cor', 'ax')[nearest] if angle_deg <= 30 else 'oblique'} {angle_deg:.0f} deg"


def _thickness(thickness_mm: float | None, affine: NDArray[np.float64], name: str) -> float:
    if thickness_mm is None:
        return float(np.linalg.norm(affine[:3, 2]))
    if not 0 < thickness_mm < math.inf:
        raise InputError(f"{name}: the slice thickness is {thickness_mm} mm; it must be positive.")
    return float(thickness_mm)


def _slice_times(times_s: Sequence[float] | None, n_slices: int, name: str) -> NDArray[np.float64] | None:
    if times_s is None or len(times_s) == 0:
        return None
    times = np.asarray(times_s, dtype=np.float64)
    if len(times) != n_slices or not np.isfinite(times).all():
        raise InputError(
            f"{name}: {len(times)} slice times for {n_slices} slices, each a number of seconds. "
            "Correct SliceTiming, or "
            "leave it out."
        )
    return times
