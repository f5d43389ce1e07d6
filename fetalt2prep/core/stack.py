"""A stack of thick slices as the reconstruction sees it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Stack:
    """One multi-slice acquisition at one echo time.

    Slices are always the third axis; pixels keep the scanner's intensity scale, the one that all
    stacks and echo times of a session share. ``affine`` takes voxel indices to world millimetres (RAS).
    """

    name: str
    pixels: NDArray[np.float32]  # (x, y, slice)
    mask: NDArray[np.bool_]  # (x, y, slice)
    affine: NDArray[np.float64]  # (4, 4)
    te_s: float
    thickness_mm: float
    slice_times_s: NDArray[np.float64] | None = None  # (slice,)
    noise_sigma: float | None = None  # of the pixels as acquired, before any denoising, scanner units; None: unknown
    noise_floor: float | None = None  # noise that still lifts dark pixels, scanner units; None: noise_sigma

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3:
            raise ValueError(f"{self.name}: a stack has three axes (x, y, slice), not {self.pixels.ndim}.")
        if self.mask.shape != self.pixels.shape:
            raise ValueError(f"{self.name}: mask {self.mask.shape} and pixels {self.pixels.shape} differ in shape.")
        if self.slice_times_s is not None and len(self.slice_times_s) != self.n_slices:
            raise ValueError(f"{self.name}: {len(self.slice_times_s)} slice times for {self.n_slices} slices.")

    @property
    def n_slices(self) -> int:
        """Number of slices along the third axis."""
        return int(self.pixels.shape[2])

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        """Distance between voxel centres along each axis, (3,)."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0))
