"""Brain mask of a stack by a trained network: looked for in the whole view, then outlined around each place found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from fetalt2prep.core.mask.guess import BrainGuess, doubts
from fetalt2prep.core.mask.network import BRIGHTEST, MULTIPLE, N_NEIGHBOURS, WORKING_MM, with_neighbours
from fetalt2prep.core.mask.resample import Floats, from_square_pixels, signal_percentile, to_square_pixels
from fetalt2prep.core.mask.slices import LEVEL, continuous, join_slices
from fetalt2prep.core.mask.track import ellipsoid_overlap

VOLUME_ML = (8.0, 700.0)
"""Brain with the fluid around it, from 16 weeks to beyond term, with a margin."""
N_PLACES = 3
MIN_SHARE = 0.2
"""Of several places, those with less than this share of the largest one's brain are not looked at again."""
PLACE_LEVEL = 0.3
"""Probability above which a region is looked at again."""
MARGIN_MM = 30.0
MIN_VIEW_MM = 160.0
MARGIN_SLICES = 3
WINDOW_MM = 192.0
"""Field of view in which it is looked first: what the network was trained on."""
VIEWS: tuple[tuple[tuple[int, ...], float], ...] = (((), 1.0), ((1,), 0.7), ((2,), 1.4), ((1, 2), 1.0))
"""Axes that are mirrored, and a factor of brightness: what the answer must not depend on."""
BATCH = 8
EDGE_MM = 2.0
"""Skull and brain are alike at long echo times, and the network errs to the inside.

At 24 weeks an edge of 1 mm lost the rim of the cortex and a quarter of the accuracy of its T2; skull within it
costs the reconstruction little."""


@dataclass(frozen=True, kw_only=True)
class MaskModel:
    """A network and what it wants to be shown."""

    predict: Callable[[Tensor], Tensor]
    """(n, 2 * n_neighbours + 1, y, x), neighbouring slices as channels -> probability of brain (n, y, x)."""
    pixel_mm: float = WORKING_MM
    n_neighbours: int = N_NEIGHBOURS
    multiple: int = MULTIPLE
    """Sides of a picture are made multiples of this."""


def find_brain_learned(pixels: NDArray[np.float32], affine: NDArray[np.float64], model: MaskModel) -> BrainGuess:
    """Look for the fetal brain in a thick T2-weighted stack with a network.

    Parameters
    ----------
    pixels, affine
        As for :func:`fetalt2prep.core.mask.classical.find_brain`.
    model
        The network.

    Returns
    -------
    BrainGuess
        The most convincing place. The confidence is the product of how far views agree that are mirrored or of other
        brightness, how sure the network is inside and outside the outline, how near the shape is to an ellipsoid,
        and how steadily it goes on from slice to slice; less where another place is nearly as good.

    Raises
    ------
    ValueError
        The network finds no brain.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image = to_square_pixels(pixels, spacing, model.pixel_mm)
    fine = np.array([model.pixel_mm, model.pixel_mm, spacing[2]])
    if signal_percentile(image, 98) <= 0:
        raise ValueError("the stack holds no signal in which to look for a brain.")
    probability = _search(model, image)
    guesses: list[BrainGuess] = []
    for place in _places(probability):
        view = _view_around(place, fine, image.shape)
        views = _probability(model, image[view], VIEWS)
        guess = _outline(views, fine, probability[view], place[view])
        if guess is not None:
            mask = np.zeros(image.shape, np.bool_)
            mask[view] = guess.mask
            guesses.append(BrainGuess(mask=mask, confidence=guess.confidence, reasons=guess.reasons))
    if not guesses:
        raise ValueError("the network finds no brain in any slice. Give a brain mask.")
    guesses.sort(key=_promise, reverse=True)
    best, confidence, reasons = guesses[0], guesses[0].confidence, guesses[0].reasons
    rivals = [guess for guess in guesses[1:] if not (guess.mask & best.mask).any()]
    if rivals and _promise(rivals[0]) > 0.6 * _promise(best):
        confidence *= 0.7
        reasons = (*reasons, "another place looks nearly as much like a brain")
    mask = _with_edge(best.mask, model.pixel_mm, pixels.shape)
    volume_ml = float(mask.sum() * spacing.prod() / 1000)
    size = f"volume {volume_ml:.0f} mL in {int(mask.any((0, 1)).sum())} slices"
    return BrainGuess(mask=mask, confidence=round(confidence, 3), reasons=(size, *reasons))


def _with_edge(mask: NDArray[np.bool_], pixel_mm: float, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """On the stack's own pixels, wider by ``EDGE_MM`` all round in the plane."""
    distance = np.stack(
        [
            ndimage.distance_transform_edt(part) - ndimage.distance_transform_edt(~part)
            for part in mask.transpose(2, 0, 1)
        ],
        axis=-1,
    )  # slice by slice: the edge is of the plane
    distance = distance * pixel_mm - np.sign(distance) * pixel_mm / 2
    distance[:, :, ~np.any(mask, axis=(0, 1))] = -1e3
    return np.asarray(from_square_pixels(distance, shape) > -EDGE_MM)


def _promise(guess: BrainGuess) -> float:
    """What the choice between places goes by: confidence, with a preference for heads over small round things."""
    return guess.confidence * float(np.cbrt(guess.mask.sum()))


def _search(model: MaskModel, image: Floats) -> Floats:
    """Probability of brain in the whole view, (x, y, slice): windows that overlap by half, each on its own scale.

    Of a whole uterus one scale would not do: fat near the coils is many times brighter than the head.
    """
    side = round(WINDOW_MM / model.pixel_mm)
    view = _not_air(image)
    total, weight = np.zeros(image.shape, np.float32), np.full(image.shape, 1e-6, np.float32)
    for x in _windows(view[0], side):
        for y in _windows(view[1], side):
            part = image[x, y]
            if signal_percentile(part, 98) <= 0:
                continue
            inner = np.outer(_hat(part.shape[0]), _hat(part.shape[1]))[:, :, None]
            total[x, y] += inner * _probability(model, part, VIEWS[:1])[0]
            weight[x, y] += inner
    return total / weight


def _windows(along: slice, side: int) -> list[slice]:
    """Windows of one side that cover a stretch, half a window apart or less."""
    length = along.stop - along.start
    if length <= side:
        return [along]
    n = int(np.ceil(2 * (length - side) / side)) + 1
    return [slice(int(first), int(first) + side) for first in np.linspace(along.start, along.stop - side, n)]


def _hat(n: int) -> Floats:
    """Weights that fall towards both ends, where the network sees half of the surroundings."""
    return np.asarray(1.05 - np.abs(np.linspace(-1, 1, n)), np.float32)


def _probability(model: MaskModel, image: Floats, views: tuple[tuple[tuple[int, ...], float], ...]) -> Floats:
    """Probability of brain as each view gives it, (view, x, y, slice), on the scale of this part alone."""
    bright = max(signal_percentile(image, 98), 1e-12)
    slices = torch.from_numpy(np.ascontiguousarray((image / np.float32(bright)).transpose(2, 0, 1)))
    rest = [-side % model.multiple for side in slices.shape[1:]]
    padded = functional.pad(slices, (rest[1] // 2, rest[1] - rest[1] // 2, rest[0] // 2, rest[0] - rest[0] // 2))
    x, y = (slice(pad // 2, pad // 2 + side) for pad, side in zip(rest, slices.shape[1:], strict=True))
    found: list[Floats] = []
    for axes, factor in views:
        shown = with_neighbours(torch.flip(factor * padded, axes).clamp(0, BRIGHTEST), model.n_neighbours)
        with torch.no_grad():
            parts = [model.predict(part) for part in shown.split(BATCH)]
        found.append(torch.flip(torch.cat(parts), axes)[:, x, y].numpy().transpose(1, 2, 0))
    return np.stack(found)


def _not_air(image: Floats) -> tuple[slice, slice]:
    """Columns and rows that hold signal."""
    signal = np.any(image > 0.05 * np.percentile(image, 99.5), axis=2)
    along = [np.flatnonzero(np.any(signal, axis=1 - axis)) for axis in (0, 1)]
    return slice(int(along[0][0]), int(along[0][-1]) + 1), slice(int(along[1][0]), int(along[1][-1]) + 1)


def _places(probability: Floats) -> list[NDArray[np.bool_]]:
    """Connected regions where brain is likely, those with most of it first."""
    smooth = ndimage.gaussian_filter(probability, (1.0, 1.0, 0.5))
    labels, n_regions = ndimage.label(smooth > PLACE_LEVEL)
    if n_regions == 0:
        return []
    weight = np.bincount(labels.ravel(), probability.ravel())
    weight[0] = 0.0
    order = [int(n) for n in np.argsort(-weight)[:N_PLACES] if weight[n] >= MIN_SHARE * weight.max() > 0]
    return [np.asarray(labels == n) for n in order]


def _view_around(
    place: NDArray[np.bool_], spacing_mm: NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[slice, slice, slice]:
    """A box around a region, with a margin in the plane and through it."""
    box: list[slice] = []
    for axis in range(3):
        along = np.flatnonzero(place.any(tuple({0, 1, 2} - {axis})))
        low, high = int(along[0]), int(along[-1]) + 1
        if axis == 2:
            box.append(slice(max(low - MARGIN_SLICES, 0), min(high + MARGIN_SLICES, shape[2])))
            continue
        half = max((high - low) / 2 + MARGIN_MM / spacing_mm[axis], MIN_VIEW_MM / 2 / spacing_mm[axis])
        middle = (low + high) / 2
        box.append(slice(max(int(middle - half), 0), min(int(middle + half) + 1, shape[axis])))
    return box[0], box[1], box[2]


def _outline(
    views: Floats, spacing_mm: NDArray[np.float64], first: Floats, place: NDArray[np.bool_]
) -> BrainGuess | None:
    """The outline on which the views agree, and how far to trust it; None where there is none.

    views: (view, x, y, slice); first: what the network said with the whole stack in view, and where of it to look.
    """
    mean = views.mean(0)
    mask = join_slices(mean, spacing_mm, place)
    if not mask.any():
        return None
    volume_ml = float(mask.sum() * spacing_mm.prod() / 1000)
    near = ndimage.binary_dilation(mask, iterations=4)
    agreement = float(np.mean([_dice((view > LEVEL) & near, mask) for view in (*views, first)]))
    sure = float(np.abs(2 * mean[near] - 1).mean())
    shape = ellipsoid_overlap(mask, spacing_mm)
    steady = continuous(mask, spacing_mm)
    size = float(VOLUME_ML[0] <= volume_ml <= VOLUME_ML[1])
    reasons = doubts(
        (
            (agreement, 0.85, "views mirrored or of other brightness do not agree"),
            (sure, 0.75, "the network is not sure"),
            (shape, 0.7, "the shape departs from an ellipsoid"),
            (steady, 0.9, "outlines jump between slices"),
            (size, 0.5, "this is not the volume of a brain"),
        )
    )
    trust = agreement * np.clip(sure / 0.8, 0, 1) * np.clip(shape / 0.75, 0, 1) * steady * max(size, 0.1)
    return BrainGuess(mask=mask, confidence=float(trust), reasons=tuple(reasons))


def _dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return float(2 * (first & second).sum() / max(int(first.sum() + second.sum()), 1))
