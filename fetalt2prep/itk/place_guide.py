"""Where a guide lies: rigid registration by mutual information, which must be better than none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from fetalt2prep.itk.resample import resample, resample_sharp
from fetalt2prep.itk.rigid import Descent, Images, descend, likeness, matrix_ras, turned_starts
from fetalt2prep.itk.volume import Volume, centroid_lps

N_BINS = 32
SEARCH_MM = 3.0  # voxels of the images on which the starts are tried
REFINE_MM = 1.5  # voxels of those on which the best is refined: finer ones cost minutes and move nothing
LEAST_GAIN = 0.005  # of the mutual information before: less is noise of the interpolation
LEAST_MOVE = 0.1  # of a voxel
LEAST_COVER = 0.9  # of the share of the mask that the guide covers without registration


@dataclass(frozen=True, kw_only=True)
class Placement:
    """How a guide is brought to the maps."""

    transform: sitk.Euler3DTransform
    """Points of the maps -> points of the guide."""
    taken: bool
    """False: the guide stays where its header puts it."""
    why: str
    moved_mm: float
    """Mean over the mask of how far the best registration moves the guide, taken or not."""
    turned_deg: float
    likeness: tuple[float, float]
    """Mutual information without and with it."""

    def account(self) -> dict[str, Any]:
        """The same for JSON, the transform as a matrix in RAS millimetres."""
        before, after = (float(value) if np.isfinite(value) else None for value in self.likeness)
        return {
            "taken": self.taken,
            "why": self.why,
            "moved_mm": round(self.moved_mm, 3),
            "turned_deg": round(self.turned_deg, 3),
            "mutual_information": {"without": before, "with": after},
            "maps_to_guide": matrix_ras(self.transform).round(6).tolist() if self.taken else np.eye(4).tolist(),
        }


def place_guide(expected: Volume, guide: Volume, mask: NDArray[np.bool_], sigma_mm: float = 0.0) -> Placement:
    """Rigid transform between what the maps would show and a guide, from the mutual information inside a mask.

    Starts at the given frames and at the centres of what is bright, each straight and turned by 15 deg about every
    axis, on coarse images; the best of them, and the given frames themselves, are refined on finer ones. What does not
    raise the mutual information of the full images, or leaves more of the mask without guide, is not taken.

    Parameters
    ----------
    expected
        Image of the guide's sequence from the maps, on their grid.
    guide
        The guide in its own frame.
    mask
        Where the maps are known, on the grid of ``expected``; not empty.
    sigma_mm
        Both are smoothed by so much: detail of the guide that the maps cannot have would pull at it.
    """
    images = Images.of(expected, guide, mask, n_bins=N_BINS)
    centre, still = centroid_lps(mask, expected.affine), sitk.Euler3DTransform()
    still.SetCenter(centre.tolist())
    shifts = [np.zeros(3)]
    bright = guide.values > 0.05 * np.percentile(guide.values, 99.9)
    if bright.any():
        shifts.append(centroid_lps(bright, guide.affine) - centre)
    spacing_mm = float(np.linalg.norm(expected.affine[:3, :3], axis=0).min())
    shrink = max(1, round(SEARCH_MM / spacing_mm))
    coarse = Descent(((shrink, max(SEARCH_MM / 2, sigma_mm)),), 4.0, 0.05)
    tried = [descend(images, start, coarse) for shift in shifts for start in turned_starts(centre, shift)]
    found = sorted((one for one in tried if one is not None), key=lambda one: one[1])
    fine = Descent(((max(1, round(REFINE_MM / spacing_mm)), max(REFINE_MM / 2, sigma_mm)),), 1.0, 0.002)
    ends = [descend(images, start, fine) for start in (still, *(one[0] for one in found[-1:]))]
    scored = [(likeness(images, one[0], sigma_mm), one[0]) for one in ends if one is not None]
    before, cover = likeness(images, still, sigma_mm), _cover(expected, guide, mask, still)
    if not scored:
        return Placement(
            transform=still, taken=False, why="no start ended anywhere", moved_mm=0.0, turned_deg=0.0,
            likeness=(before, before),
        )  # fmt: skip
    after, transform = max(scored, key=lambda one: one[0])
    moved_mm = _moved_mm(transform, mask, expected.affine)
    if np.isfinite(before) and not after > before + LEAST_GAIN * abs(before):
        why = "it does not raise the mutual information"
    elif moved_mm < LEAST_MOVE * spacing_mm:
        why = f"it moves the guide by {moved_mm:.2f} mm, which is nothing"
    elif _cover(expected, guide, mask, transform) < LEAST_COVER * cover:
        why = "it moves the guide out of the mask"
    else:
        why = ""
    return Placement(
        transform=still if why else transform,
        taken=not why,
        why=why or "it raises the mutual information",
        moved_mm=moved_mm,
        turned_deg=_turned_deg(transform),
        likeness=(before, after),
    )


def bring(guide: Volume, grid: Volume, placement: Placement | None) -> NDArray[np.float32]:
    """The guide on a grid, where its placement (None: its header) puts it; untouched when it is there already."""
    if (placement is None or not placement.taken) and guide.values.shape == grid.values.shape:
        size = np.asarray(guide.values.shape)
        corners = np.array([np.zeros(3), size, [size[0], 0, 0], [0, size[1], 0], [0, 0, size[2]]])
        gap = corners @ (guide.affine - grid.affine)[:3, :3].T + (guide.affine - grid.affine)[:3, 3]
        if np.linalg.norm(gap, axis=1).max() < 0.01 * np.linalg.norm(grid.affine[:3, 0]):
            return guide.values
    return resample_sharp(guide, grid, sitk.Euler3DTransform() if placement is None else placement.transform)


def _cover(expected: Volume, guide: Volume, mask: NDArray[np.bool_], transform: sitk.Euler3DTransform) -> float:
    """Share of the mask that the guide's picture covers."""
    there = Volume((guide.values > 0).astype(np.float32), guide.affine)
    return float((resample(there, expected, transform)[mask] > 0.5).mean())


def _moved_mm(transform: sitk.Euler3DTransform, mask: NDArray[np.bool_], affine: NDArray[np.float64]) -> float:
    points = np.argwhere(mask)[:: max(1, int(mask.sum()) // 1000)] @ affine[:3, :3].T + affine[:3, 3]
    matrix = matrix_ras(transform)
    return float(np.linalg.norm(points @ matrix[:3, :3].T + matrix[:3, 3] - points, axis=1).mean())


def _turned_deg(transform: sitk.Euler3DTransform) -> float:
    rotation = matrix_ras(transform)[:3, :3]
    return float(np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))))
