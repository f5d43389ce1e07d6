"""The stacks of a session as they entered the reconstruction.

And what the reconstruction says they should look like.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bids_app.report.derivatives import Session, Volume, numbers, read_volume, short_label
from bids_app.report.figures_fit import Agreement
from bids_app.report.figures_stacks import StackPicture
from bids_app.report.pictures import VIEWS
from bids_app.report.prediction import Placed, StackSlices, interpolated, predict

Echoes = Sequence[tuple[float, Placed]]
"""TE in ms and the reconstructed volume."""


def stack_pictures(session: Session, echoes: Echoes = ()) -> list[StackPicture]:
    """Preprocessed stacks with their masks, in the order of the table of stacks.

    Predicted where that can be computed.
    """
    te_ms = 1000.0 * numbers(session.stacks, "te_s")
    thickness_mm, spacing_mm = (numbers(session.stacks, name) for name in ("thickness_mm", "spacing_mm"))
    of_stack = np.array(session.slices.get("stack", []), dtype=np.str_)
    aside = np.array(session.slices.get("status", []), dtype=np.str_) == "set-aside"
    pictures = []
    for row, stack in enumerate(session.stacks.get("stack", [])):
        pixels_path, mask_path = session.stack_image(stack), session.stack_mask(stack)
        if not (pixels_path.is_file() and mask_path.is_file()):
            continue
        pixels, mask = read_volume(pixels_path), read_volume(mask_path)
        if pixels.values.shape != mask.values.shape:
            continue
        predicted = None
        if echoes and np.isfinite(te_ms[row]):
            echo = min(echoes, key=lambda found: abs(found[0] - te_ms[row]))[1]
            thick = thickness_mm[row] if np.isfinite(thickness_mm[row]) else spacing_mm[row]
            predicted = _predicted(session, stack, pixels, mask.values > 0, echo, float(thick))
        pictures.append(
            StackPicture(
                label=short_label(stack),
                te_ms=round(float(te_ms[row]), 3),
                pixels=pixels.values,
                mask=mask.values > 0,
                spacing_mm=pixels.spacing_mm,
                slice_axis=pixels.slice_axis,
                flipped=pixels.flipped,
                predicted=predicted,
                aside=frozenset(numbers(session.slices, "slice")[aside & (of_stack == stack)].astype(int).tolist()),
            )
        )
    return pictures


def _predicted(
    session: Session, stack: str, pixels: Volume, mask: NDArray[np.bool_], echo: Placed, thickness_mm: float
) -> NDArray[np.float32] | None:
    """Predicted pixels in the order of ``pixels``; None when the slice table has no row of the stack."""
    table = session.slices
    rows = np.array(table.get("stack", []), dtype=np.str_) == stack
    if not rows.any() or "m00" not in table or not np.isfinite(thickness_mm):
        return None
    n_slices = pixels.values.shape[pixels.slice_axis]
    at = numbers(table, "slice")[rows].astype(int)
    if at.max() >= n_slices:
        return None
    to_recon, gain = np.full((n_slices, 3, 4), np.nan), np.ones(n_slices)
    for r in range(3):
        for c in range(4):
            to_recon[at, r, c] = numbers(table, f"m{r}{c}")[rows]
    gain[at] = numbers(table, "gain")[rows]
    turn, affine = _slices_last(pixels)
    profile = session.facts.get("profile")
    found = predict(
        StackSlices(
            stack=Placed(values=turn(pixels.values), affine=affine),
            mask=turn(mask),
            to_recon=to_recon,
            gain=gain,
            thickness_mm=thickness_mm,
        ),
        echo,
        profile if profile in ("box", "gaussian") else "box",
    )
    back = np.flip(found, axis=2) if pixels.flipped else found
    return np.moveaxis(back, 2, pixels.slice_axis)


def _slices_last(volume: Volume) -> tuple[Any, NDArray[np.float64]]:
    """How an array in RAS order becomes one with slices last in the file's order, and the affine of that."""
    axis, n_slices = volume.slice_axis, volume.values.shape[volume.slice_axis]
    order = [a for a in range(3) if a != axis] + [axis]
    affine = volume.affine[:, [*order, 3]]
    if volume.flipped:
        affine = affine @ nib.orientations.inv_ornt_aff(
            np.array([[0, 1], [1, 1], [2, -1]]), (*(volume.values.shape[a] for a in order[:2]), n_slices)
        )

    def turn(values: NDArray[Any]) -> NDArray[Any]:
        moved = np.moveaxis(values, axis, 2)
        return np.flip(moved, axis=2) if volume.flipped else moved

    return turn, affine


def agreements(pictures: Sequence[StackPicture]) -> list[Agreement]:
    """Measured and predicted pixels in the masks of the slices in use, by echo time."""
    found = []
    for te_ms in sorted({p.te_ms for p in pictures if p.predicted is not None}):
        measured, predicted = [], []
        for picture in pictures:
            if picture.predicted is None or picture.te_ms != te_ms:
                continue
            known = np.isfinite(picture.predicted) & picture.mask
            for k in picture.aside:
                np.moveaxis(known, picture.slice_axis, 0)[picture.place_of(k)] = False
            measured.append(picture.pixels[known])
            predicted.append(picture.predicted[known])
        found.append(Agreement(te_ms=te_ms, measured=np.concatenate(measured), predicted=np.concatenate(predicted)))
    return [f for f in found if len(f.measured) > 1]


def raw_planes(
    session: Session, echo: Volume, te_ms: float, centre: tuple[int, int, int]
) -> tuple[NDArray[np.float32], int]:
    """Mean of the raw stacks of an echo time in the three planes through ``centre`` of the reconstruction's grid.

    Returns a volume (x, y, z) that is NaN but for those planes, and the number of stacks. Stacks lie where their
    headers put
    them: what one gets without motion correction.
    """
    names, te = session.stacks.get("stack", []), 1000.0 * numbers(session.stacks, "te_s")
    stacks = []
    for name, time_ms in zip(names, te, strict=True):
        path = session.stack_image(name)
        if abs(time_ms - te_ms) < 0.5 and path.is_file():
            volume = read_volume(path)
            stacks.append(Placed(values=volume.values, affine=volume.affine))
    shape: tuple[int, ...] = echo.values.shape
    raw = np.full(shape, np.nan, dtype=np.float32)
    for axis in VIEWS if stacks else ():
        index = [np.arange(n) for n in shape]
        index[axis] = index[axis][centre[axis] : centre[axis] + 1]
        grid = np.meshgrid(*index, indexing="ij")
        points = np.stack(grid, axis=-1) @ echo.affine[:3, :3].T + echo.affine[:3, 3]
        raw[np.ix_(*index)] = interpolated(stacks, points)
    return raw, len(stacks)


def sharpness(
    volume: NDArray[np.float32], mask: NDArray[np.bool_], spacing_mm: Sequence[float], centre: Sequence[int]
) -> float:
    """Mean size of the gradient of a volume (x, y, z) in three planes, over the mean signal there, per cent per mm.

    Comparable between volumes in the same planes; noise raises it as well as detail does.
    """
    slopes, signals = [], []
    for axis in VIEWS:
        plane = np.take(volume, centre[axis], axis=axis).astype(float)
        inside = np.take(mask, centre[axis], axis=axis) & np.isfinite(plane)
        steps = [spacing_mm[a] for a in range(3) if a != axis]
        along = np.gradient(np.where(np.isfinite(plane), plane, np.nan), *steps)
        slope = np.hypot(*along)
        known = inside & np.isfinite(slope)
        slopes.append(slope[known])
        signals.append(plane[known])
    slope, signal = np.concatenate(slopes), np.concatenate(signals)
    return 100.0 * float(slope.mean() / signal.mean()) if len(signal) and signal.mean() > 0 else float("nan")
