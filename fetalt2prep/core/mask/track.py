"""Cross-sections that together make a head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.core.mask.blobs import Blob

HEIGHTS = (0.75, 0.9, 1.05, 1.25)
"""Half height of a head through the slices, in radii of its largest cross-section."""
RADIUS_MM = (17.0, 52.0)
TYPICAL_RADIUS_MM = 32.0
MAX_SEEDS = 400
MIN_MATCH = 0.2
MIN_CAP_SCORE = 0.2


@dataclass(frozen=True, kw_only=True)
class Head:
    """Cross-sections that fit one ellipsoid, at most one per slice."""

    blobs: tuple[int, ...]
    """Indices, by slice."""
    support: float
    """Scores of the cross-sections times their fit, averaged over the ellipsoid's expected volume; 0 to 1."""
    merit: float
    """What the choice goes by: support, with a preference for heads over small round things."""


def find_heads(blobs: Sequence[Blob], spacing_mm: float) -> list[Head]:
    """The best head around each promising blob, by falling merit.

    Each blob of sufficient size is taken as the largest cross-section of an ellipsoid, which foretells
    centre and area in the slices around it, ``spacing_mm`` apart; the blobs that come nearest are its
    support.
    """
    slices = np.array([blob.slice_idx for blob in blobs], dtype=int)
    areas = np.array([blob.area_mm2 for blob in blobs])
    centres = np.array([blob.centre_mm for blob in blobs]).reshape(-1, 2)
    scores = np.array([blob.score for blob in blobs])
    radii = np.sqrt(areas / np.pi)
    seeds = np.flatnonzero((radii >= RADIUS_MM[0]) & (radii <= RADIUS_MM[1]))
    seeds = seeds[np.argsort(-scores[seeds] * radii[seeds], kind="stable")][:MAX_SEEDS]
    heads = []
    for seed in seeds:  # each seed looks at all blobs at once
        away_mm = np.abs(slices - slices[seed]) * spacing_mm
        drift = np.linalg.norm(centres - centres[seed], axis=1) / radii[seed]
        for height in HEIGHTS:
            expected = areas[seed] * (1 - (away_mm / (height * radii[seed])) ** 2)
            inside = expected > 0.05 * areas[seed]
            size = np.log(areas / np.maximum(expected, 1.0))
            match = np.where(inside, scores * np.exp(-((size / 0.4) ** 2) - (drift / 0.35) ** 2), 0.0)
            heads.append(_head(match, slices, int(slices[seed]), spacing_mm, height * float(radii[seed])))
    return sorted((head for head in heads if head.blobs), key=lambda head: -head.merit)


def _head(
    match: NDArray[np.float64],
    slices: NDArray[np.int_],
    middle: int,
    spacing_mm: float,
    half_height_mm: float,
) -> Head:
    """The best match in each slice of the ellipsoid, weighted by the area expected there."""
    reach = int(half_height_mm / spacing_mm)
    offsets = np.arange(-reach, reach + 1)
    expected = 1 - (offsets * spacing_mm / half_height_mm) ** 2
    best = np.zeros(len(offsets))
    chosen = []
    order = np.argsort(match, kind="stable")
    last = {int(slices[n]): int(n) for n in order}  # the best of each slice comes last
    for number, offset in enumerate(offsets):
        found = last.get(middle + int(offset))
        if found is not None and match[found] >= MIN_MATCH:
            best[number] = match[found]
            chosen.append(found)
    support = float((best * expected).sum() / expected.sum())
    size = half_height_mm / TYPICAL_RADIUS_MM
    return Head(blobs=tuple(chosen), support=support, merit=support * float(np.clip(size, 0, 1)) ** 0.7)


def extend(chosen: Sequence[Blob], blobs: Sequence[Blob]) -> list[Blob]:
    """Add the caps: on both ends, as long as the next slice has a smaller region within the last one."""
    found = sorted(chosen, key=lambda blob: blob.slice_idx)
    for end, step in ((-1, 1), (0, -1)):
        while True:  # at most one turn per slice
            last = found[end]
            size = last.region.sum()
            caps = [
                (blob.score * blob.area_mm2, number)
                for number, blob in enumerate(blobs)
                if blob.slice_idx == last.slice_idx + step
                and blob.score >= MIN_CAP_SCORE
                and 0.2 * last.area_mm2 < blob.area_mm2 < 1.05 * last.area_mm2
                and (blob.region & last.region).sum() > 0.85 * min(size, blob.region.sum())
            ]
            if not caps:
                break
            found.insert(len(found) if step > 0 else 0, blobs[max(caps)[1]])
    return found


def ellipsoid_overlap(mask: NDArray[np.bool_], spacing_mm: NDArray[np.float64]) -> float:
    """Intersection over union of a mask (x, y, slice) with the ellipsoid of the same moments."""
    points = np.argwhere(mask) * spacing_mm
    if len(points) < 8:
        return 0.0
    covariance = np.cov(points.T) + np.diag(spacing_mm**2 / 12)
    offset = np.moveaxis(np.indices(mask.shape), 0, -1) * spacing_mm - points.mean(0)
    inside = np.einsum("...i,ij,...j->...", offset, np.linalg.inv(covariance), offset) <= 5.0
    return float((inside & mask).sum() / (inside | mask).sum())
