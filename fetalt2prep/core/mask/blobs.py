"""Round regions inside a dark ring, slice by slice: how a fetal head looks on T2-weighted images."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

LEVELS = tuple(np.round(np.arange(0.1, 0.95, 0.05), 2))
"""Thresholds, as shares of the stack's 95th percentile of signal."""
AREA_MM2 = (350.0, 9000.0)
"""Cross-sections of a brain, from its caps to the largest slice near term."""
MIN_EXTENT_MM = 18.0
MAX_EXTENT_MM = 125.0
MIN_ELLIPSE_IOU = 0.75
MIN_AXIS_RATIO = 0.45
SKULL_MM = 4.0
OPENINGS_MM = (4.0, 8.0)
"""Bridges narrower than twice this, such as orbits and neck, are cut."""
N_SECTORS = 24


@dataclass(frozen=True, kw_only=True)
class Blob:
    """A candidate cross-section of the brain."""

    slice_idx: int
    region: NDArray[np.bool_]  # (x, y), the whole slice
    area_mm2: float
    centre_mm: NDArray[np.float64]  # (2,), in the plane
    roundness: float
    """Overlap (intersection over union) with the ellipse of the same moments."""
    ring: float
    """Share of the outline beyond which it gets dark: the skull."""
    solidity: float
    """Share of the filled region that is above the threshold: a sac of fluid around a head is hollow."""
    texture: float
    """Standard deviation over mean of the inside: tissue and fluid side by side; a bladder has none."""
    brightest: float
    """95th percentile of the inside: there is fluid in and around a brain."""

    @property
    def score(self) -> float:
        """0 to 1."""
        inside = min(1.0, self.texture / 0.2) * min(1.0, self.brightest / 0.6)
        return self.roundness**2 * self.ring**2 * self.solidity**2 * inside


def disk(radius_mm: float, spacing_mm: float) -> NDArray[np.bool_]:
    """Flat structuring element, odd square."""
    n = int(radius_mm / spacing_mm)
    axis = np.arange(-n, n + 1) * spacing_mm
    return np.asarray(np.hypot(axis[:, None], axis) <= radius_mm + 1e-6)


def find_blobs(image: NDArray[np.float32], slice_idx: int, spacing_mm: float) -> list[Blob]:
    """Candidates in one slice, (x, y), scaled so that 1 is bright tissue; isotropic pixels."""
    found: list[Blob] = []
    valley = _valleys(image, spacing_mm)
    fenced = image * (1 - valley)
    closing = disk(1.5 * SKULL_MM, spacing_mm)
    pad = int(np.ceil(2 * SKULL_MM / spacing_mm)) + 1
    opened = [
        ndimage.grey_opening(source, footprint=disk(radius_mm, spacing_mm))
        for source, radius_mm in product((image, fenced), OPENINGS_MM)
    ]
    for smooth, level in product(opened, LEVELS):  # opening commutes with the threshold: once for all levels
        labels, _ = ndimage.label(smooth > level)
        for number, box in enumerate(ndimage.find_objects(labels), start=1):
            extents = [(side.stop - side.start) * spacing_mm for side in box]
            if max(extents) > MAX_EXTENT_MM or min(extents) < MIN_EXTENT_MM:
                continue
            above = np.pad(labels[box] == number, pad)
            region = ndimage.binary_fill_holes(ndimage.binary_closing(above, structure=closing))
            corner = np.array([side.start - pad for side in box])
            blob = _judge(region, above, corner, image, valley, slice_idx, spacing_mm)
            if blob is not None:
                found.append(blob)
    return found


def _valleys(image: NDArray[np.float32], spacing_mm: float) -> NDArray[np.float32]:
    """How much darker a pixel is than what surrounds thin structures, 0 to 1: bottom hat over its closing."""
    closed = ndimage.grey_closing(image, footprint=disk(7.0, spacing_mm))
    return np.asarray(np.clip((closed - image) / np.maximum(closed, 0.1), 0, 1), dtype=np.float32)


def _judge(
    region: NDArray[np.bool_],
    above: NDArray[np.bool_],
    corner: NDArray[np.int_],
    image: NDArray[np.float32],
    valley: NDArray[np.float32],
    slice_idx: int,
    spacing_mm: float,
) -> Blob | None:
    """Measure a region given in a box whose first pixel lies at ``corner``; None when it is no brain."""
    area = float(region.sum()) * spacing_mm**2
    if not AREA_MM2[0] <= area <= AREA_MM2[1]:
        return None
    points = np.argwhere(region)
    centre = points.mean(0)
    covariance = np.cov(points.T)
    minor, major = np.linalg.eigvalsh(covariance)
    if minor <= 0 or np.sqrt(minor / major) < MIN_AXIS_RATIO:
        return None
    offset = np.moveaxis(np.indices(region.shape), 0, -1) - centre
    ellipse = np.einsum("...i,ij,...j->...", offset, np.linalg.inv(covariance), offset) <= 4.0
    roundness = float((ellipse & region).sum() / (ellipse | region).sum())
    element = disk(SKULL_MM, spacing_mm)
    core = ndimage.binary_erosion(region, structure=element)
    if roundness < MIN_ELLIPSE_IOU or core.sum() < 9:
        return None
    inside = image[tuple((np.argwhere(core) + corner).T)]
    outline = np.argwhere(ndimage.binary_dilation(region, structure=element) & ~region)
    whole = np.zeros(image.shape, dtype=np.bool_)
    within = ((points + corner >= 0) & (points + corner < image.shape)).all(1)
    whole[tuple((points + corner)[within].T)] = True
    return Blob(
        slice_idx=slice_idx,
        region=whole,
        area_mm2=area,
        centre_mm=(centre + corner) * spacing_mm,
        roundness=roundness,
        ring=_ring(outline, centre, corner, image, valley, float(np.median(inside))),
        solidity=float(above.sum() / region.sum()),
        texture=float(inside.std() / max(float(inside.mean()), 1e-6)),
        brightest=float(np.percentile(inside, 95)),
    )


def _ring(
    outline: NDArray[np.int_],
    centre: NDArray[np.float64],
    corner: NDArray[np.int_],
    image: NDArray[np.float32],
    valley: NDArray[np.float32],
    inside: float,
) -> float:
    """Mean over sectors of how dark, and how thin a dark line, the darkest outline pixel is; 0 to 1."""
    angle = np.arctan2(*(outline - centre).T)
    sector = np.floor((angle + np.pi) / (2 * np.pi) * N_SECTORS).astype(int) % N_SECTORS
    at = outline + corner
    in_image = ((at >= 0) & (at < image.shape)).all(1)
    dark, thin = np.zeros(N_SECTORS), np.zeros(N_SECTORS)
    where = tuple(at[in_image].T)
    np.maximum.at(dark, sector[in_image], np.clip((inside - image[where]) / max(inside, 1e-6) / 0.5, 0, 1))
    np.maximum.at(thin, sector[in_image], np.clip(valley[where] / 0.3, 0, 1))
    return float(np.sqrt(dark.mean() * thin.mean()))
