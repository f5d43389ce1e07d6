"""From what is likely in each slice to one body through all of them."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fetalt2prep.core.mask.blobs import disk

ACROSS = (0.15, 0.70, 0.15)
"""Weights of a slice and its neighbours: less than what motion between slices would blur."""
LEVEL = 0.5
RIM_LEVEL = 0.3
"""Down to this an outline is widened, by a pixel at most: a rim of skull costs less than brain that is missing."""
REACH_MM, REACH_SPACINGS = 6.0, 1.2
"""How far an outline may reach beyond its neighbour towards the middle: motion, and the slope of a tilted head."""
MAX_GROWTH = 1.6
"""Area of an outline over that of the largest nearer to the middle: more is a leak into what lies beside the head."""
MAX_JUMP = 0.6
"""Of the larger radius: how far the centre of an outline may lie from its neighbour's."""
MIN_PIXELS = 12
BRIDGE_MM = 4.0
"""Bridges to a hand, a shoulder or the placenta are cut where they are narrower than twice this."""


def join_slices(
    probability: NDArray[np.float32], spacing_mm: NDArray[np.float64], place: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_]:
    """The largest body, (x, y, slice): one filled piece per slice, none missing within, no leap from one to the next.

    Of several bodies the one that holds most of ``place`` is taken, where a place is given.
    """
    smooth = ndimage.correlate1d(probability, ACROSS, axis=2, mode="nearest")
    likely = smooth > LEVEL
    labels, n_bodies = ndimage.label(ndimage.maximum_filter1d(likely, 3, axis=2))  # over one slice that is missing
    labels *= likely
    if n_bodies == 0:
        return np.zeros(probability.shape, np.bool_)
    weight = np.bincount(labels.ravel(), (smooth if place is None else smooth * place).ravel())
    weight[0] = 0.0
    body = (labels == int(weight.argmax())) & (weight.max() > 0)
    for k in range(body.shape[2]):  # slices: pieces are of a plane
        body[:, :, k] = _largest_piece(_without_bridges(body[:, :, k], spacing_mm))
    sure = np.clip(2 * smooth - 1, 0, 1) * body
    out = _between(_without_leaps(body, sure.sum((0, 1)), spacing_mm), smooth)
    wider = ndimage.binary_dilation(out, structure=np.ones((3, 3, 1), np.bool_))
    return np.asarray(out | (wider & (smooth > RIM_LEVEL)))


def continuous(mask: NDArray[np.bool_], spacing_mm: NDArray[np.float64]) -> float:
    """How steadily outlines go on from slice to slice, 0 to 1: share of pairs of slices without a leap."""
    inside = np.flatnonzero(mask.any((0, 1)))
    if len(inside) < 2:
        return 0.5
    pairs = [(int(a), int(b)) for a, b in itertools.pairwise(inside)]
    return float(np.mean([b - a == 1 and not _leaps(mask[:, :, a], mask[:, :, b], spacing_mm) for a, b in pairs]))


def _without_bridges(region: NDArray[np.bool_], spacing_mm: NDArray[np.float64]) -> NDArray[np.bool_]:
    """A region in a plane without what hangs on it by a thin bridge; small regions stay as they are."""
    element = disk(BRIDGE_MM, float(spacing_mm[0]))
    core = _largest_piece(ndimage.binary_opening(region, structure=element))
    if not core.any():
        return region
    return np.asarray(region & ndimage.binary_dilation(core, structure=element))


def _largest_piece(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest piece of a region in a plane, filled; nothing when it is a crumb."""
    labels, n_pieces = ndimage.label(region)
    if n_pieces == 0:
        return region
    size = np.bincount(labels.ravel())
    size[0] = 0
    if size.max() < MIN_PIXELS:
        return np.zeros_like(region)
    return np.asarray(ndimage.binary_fill_holes(labels == int(size.argmax())))


def _leaps(first: NDArray[np.bool_], second: NDArray[np.bool_], spacing_mm: NDArray[np.float64]) -> bool:
    """The centres are farther apart than motion between slices takes a head."""
    centres = [np.argwhere(region).mean(0) * spacing_mm[:2] for region in (first, second)]
    area = max(int(first.sum()), int(second.sum())) * spacing_mm[0] * spacing_mm[1]
    return bool(np.linalg.norm(centres[0] - centres[1]) > max(MAX_JUMP * np.sqrt(area / np.pi), 8.0))


def _without_leaps(
    body: NDArray[np.bool_], evidence: NDArray[np.float64], spacing_mm: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """From the slice with the most evidence to both ends, as far as no outline leaps or suddenly grows.

    One slice in a row may, and is left out. evidence: (slice,).
    """
    out = np.zeros_like(body)
    area = body.sum((0, 1))
    middle = int(ndimage.uniform_filter1d(evidence, 3, mode="constant").argmax())
    if area[middle] == 0:
        return out
    out[:, :, middle] = body[:, :, middle]
    reach = disk(max(REACH_MM, REACH_SPACINGS * float(spacing_mm[2])), float(spacing_mm[0]))
    for step in (-1, 1):
        last, k, largest = middle, middle + step, area[middle]
        while 0 <= k < body.shape[2] and abs(k - last) <= 2:  # at most one turn per slice
            grows = area[k] > MAX_GROWTH * largest
            if area[k] > 0 and not grows and not _leaps(out[:, :, last], body[:, :, k], spacing_mm):
                beside = ndimage.binary_dilation(out[:, :, last], structure=reach)
                out[:, :, k] = _largest_piece(body[:, :, k] & beside)
                last, largest = (k, max(largest, area[k])) if out[:, :, k].any() else (last, largest)
            k += step
    return out


def _between(body: NDArray[np.bool_], probability: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Slices that are missing within: where both neighbours are brain, and where one is and it is likely."""
    inside = np.flatnonzero(body.any((0, 1)))
    for k in range(int(inside[0]) + 1, int(inside[-1])) if len(inside) else ():
        if not body[:, :, k].any():
            before, after = body[:, :, k - 1], body[:, :, k + 1]
            body[:, :, k] = _largest_piece((before & after) | ((before | after) & (probability[:, :, k] > LEVEL)))
    return body
