"""Brain mask of a stack without any trained model: the fallback when nobody gives one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fetalt2prep.core.mask.blobs import Blob, find_blobs
from fetalt2prep.core.mask.guess import BrainGuess, doubts
from fetalt2prep.core.mask.resample import from_square_pixels, signal_percentile, to_square_pixels
from fetalt2prep.core.mask.track import ellipsoid_overlap, extend, find_heads

WORKING_MM = 2.0
VOLUME_ML = (20.0, 600.0)
"""Brain with the fluid around it, from 18 weeks to term, with a margin."""
N_PLACES = 6
MAX_SHARED = 0.3
MIN_MERIT = 0.3
EDGE_MM = 1.0
"""Thresholds cut on the inner flank of the skull: the brain reaches about this much farther."""
MIN_CONFIDENCE = 0.1
"""Below this there is no more reason to believe in a region than in any other."""


def find_brain(pixels: NDArray[np.float32], affine: NDArray[np.float64]) -> BrainGuess:
    """Look for the fetal brain in a thick T2-weighted stack, whole uterus in view or not.

    Parameters
    ----------
    pixels
        (x, y, slice), any units, not negative.
    affine
        (4, 4), voxel index to world millimetres; only voxel sizes are used.

    Returns
    -------
    BrainGuess
        The most convincing ellipsoid made of round regions inside a dark ring (the skull), filled and
        smoothed.

    Raises
    ------
    ValueError
        Nothing in the stack looks like a brain.

    Notes
    -----
    Regions are taken over many thresholds, as in maximally stable regions (Keraudren et al. 2014,
    doi:10.1016/j.neuroimage.2014.07.023); those that fit one ellipsoid are joined. No classifier is trained.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image = _working_image(pixels, spacing)
    blobs = [blob for k in range(image.shape[2]) for blob in find_blobs(image[:, :, k], k, WORKING_MM)]
    fine = np.array([WORKING_MM, WORKING_MM, spacing[2]])
    guesses: list[BrainGuess] = []
    taken = np.zeros(image.shape, dtype=np.bool_)
    heads = find_heads(blobs, float(spacing[2]))
    for head in heads:  # by falling merit; of those that overlap the first is kept
        if head.merit < MIN_MERIT * heads[0].merit or len(guesses) == N_PLACES:
            break
        chosen = [blobs[n] for n in head.blobs]
        shared = sum(float((blob.region & taken[:, :, blob.slice_idx]).sum()) for blob in chosen)
        if shared > MAX_SHARED * sum(float(blob.region.sum()) for blob in chosen):
            continue
        chosen = extend(chosen, blobs)
        mask = _fill(chosen, image.shape)
        taken |= mask
        trust, reasons = _judge(mask, chosen, fine)
        guesses.append(BrainGuess(mask=mask, confidence=float(np.sqrt(trust * head.merit)), reasons=reasons))
    guesses = [guess for guess in guesses if guess.confidence >= MIN_CONFIDENCE]
    if not guesses:
        raise ValueError(
            "no region of the size and shape of a fetal brain was found in any run of slices. Give a brain mask."
        )
    guesses.sort(key=lambda guess: -guess.confidence)
    best, reasons = guesses[0], guesses[0].reasons
    confidence = best.confidence
    if len(guesses) > 1 and guesses[1].confidence > 0.7 * confidence:
        confidence *= 0.7
        reasons = (*reasons, "another place looks nearly as much like a brain")
    return BrainGuess(
        mask=from_square_pixels(best.mask, pixels.shape) > 0.5, confidence=round(confidence, 3), reasons=reasons
    )


def _working_image(pixels: NDArray[np.float32], spacing_mm: NDArray[np.float64]) -> NDArray[np.float32]:
    """In-plane isotropic, 1 for bright tissue: one scale for the whole stack."""
    image = to_square_pixels(pixels, spacing_mm, WORKING_MM)
    bright = signal_percentile(image, 95)
    if bright <= 0:
        raise ValueError("the stack holds no signal in which to look for a brain.")
    return np.asarray(image / bright, dtype=np.float32)


def _fill(track: Sequence[Blob], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Stack the regions; those between are interpolated by signed distance; all are smoothed a little."""
    distance = {
        blob.slice_idx: ndimage.distance_transform_edt(blob.region) - ndimage.distance_transform_edt(~blob.region)
        for blob in track
    }
    known = sorted(distance)
    levels = np.stack([distance[k] for k in known], axis=-1)
    inner = np.arange(known[0], known[-1] + 1)
    right = np.clip(np.searchsorted(known, inner), 1, max(1, len(known) - 1)) if len(known) > 1 else None
    if right is not None:
        first, second = np.array(known)[right - 1], np.array(known)[right]
        part = (inner - first) / (second - first)
        levels = levels[:, :, right - 1] * (1 - part) + levels[:, :, right] * part
        levels = ndimage.gaussian_filter1d(levels, 0.5, axis=2, mode="nearest")
    mask = np.zeros(shape, dtype=np.bool_)
    mask[:, :, inner] = levels > -EDGE_MM / WORKING_MM
    return mask


def _judge(
    mask: NDArray[np.bool_], track: Sequence[Blob], spacing_mm: NDArray[np.float64]
) -> tuple[float, tuple[str, ...]]:
    """Confidence and what lowers it."""
    volume_ml = float(mask.sum() * spacing_mm.prod() / 1000)
    weight = np.array([blob.area_mm2 for blob in track])
    score = float(np.average([blob.score for blob in track], weights=weight))
    shape = ellipsoid_overlap(mask, spacing_mm)
    n_slices = int(mask.any((0, 1)).sum())
    height_mm = n_slices * spacing_mm[2]
    width_mm = 2 * np.sqrt(weight.max() / np.pi)
    tall = float(np.clip((height_mm / width_mm - 0.3) / 0.4, 0, 1) * np.clip((2.2 - height_mm / width_mm) / 0.6, 0, 1))
    size = float(VOLUME_ML[0] <= volume_ml <= VOLUME_ML[1])
    whole = len({blob.slice_idx for blob in track}) / n_slices
    smooth = float(np.clip((shape - 0.5) / 0.3, 0, 1))
    reasons = doubts(
        (
            (score, 0.6, "outlines are not all round and ringed by dark skull"),
            (smooth, 0.7, "the shape departs from an ellipsoid"),
            (tall, 0.7, "height and width do not fit a head"),
            (whole, 0.9, "slices are missing within"),
        )
    )
    told = f"volume {volume_ml:.0f} mL in {n_slices} slices"
    return score * smooth * tall * size * whole, (told, *reasons)
