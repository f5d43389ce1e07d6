"""Target-registration error of every slice: how far from its true place the reconstruction put its brain pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fetalt2prep.itk.volume import Doubles


@dataclass
class SlicePoses:
    """Poses on both sides, one entry per slice with brain in it."""

    stack: list[str] = field(default_factory=list)
    slice_idx: list[int] = field(default_factory=list)
    points_mm: list[Doubles] = field(default_factory=list)  # (pixel, 3) world points as the stack's affine has them
    to_truth: list[Doubles] = field(default_factory=list)  # (4, 4) those points -> the truth's world
    to_recon: list[Doubles] = field(default_factory=list)  # (4, 4) those points -> the reconstruction's world

    def add(self, stack: str, slice_idx: int, points_mm: Doubles, to_truth: Doubles, to_recon: Doubles) -> None:
        """Add a slice."""
        self.stack.append(stack)
        self.slice_idx.append(slice_idx)
        self.points_mm.append(points_mm)
        self.to_truth.append(to_truth)
        self.to_recon.append(to_recon)


def slice_errors(poses: SlicePoses, truth_to_recon: Doubles) -> dict[str, list[object]]:
    """Columns of (slice,): stack, slice, n_pixels, mean error over its pixels, and the error without correction.

    ``truth_to_recon``: (4, 4), the one rigid transform between both worlds. ``uncorrected_mm`` is the error of leaving
    every slice where the scanner put it.
    """
    columns: dict[str, list[object]] = {"stack": list(poses.stack), "slice": list(poses.slice_idx)}
    columns["n_pixels"] = [len(points) for points in poses.points_mm]
    columns["error_mm"], columns["uncorrected_mm"] = [], []
    for points, to_truth, to_recon in zip(poses.points_mm, poses.to_truth, poses.to_recon, strict=True):
        true = moved(truth_to_recon @ to_truth, points)
        columns["error_mm"].append(_mean_distance(moved(to_recon, points), true))
        columns["uncorrected_mm"].append(_mean_distance(points, true))
    return columns


def slice_summary(columns: dict[str, list[object]]) -> dict[str, float]:
    """Median, mean and 90 % percentile over the slices, millimetres."""
    error, before = (np.asarray(columns[name], float) for name in ("error_mm", "uncorrected_mm"))
    return {
        "n_slices": len(error),
        "median_mm": round(float(np.median(error)), 3),
        "mean_mm": round(float(error.mean()), 3),
        "p90_mm": round(float(np.percentile(error, 90)), 3),
        "uncorrected_median_mm": round(float(np.median(before)), 3),
    }


def moved(matrix: Doubles, points_mm: Doubles) -> Doubles:
    """World points (n, 3) under a (4, 4) transform."""
    return np.asarray(points_mm @ matrix[:3, :3].T + matrix[:3, 3])


def _mean_distance(one: Doubles, other: Doubles) -> float:
    return float(np.linalg.norm(one - other, axis=1).mean())
