"""Memory of a reconstruction: estimated before it starts, kept below a limit, and what to do when it runs out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from fetalt2prep.core.field.build import GRID_LEVELS, FieldSpec, make_field
from fetalt2prep.core.geometry import Grid
from fetalt2prep.core.lattice_blur import REACH_SIGMAS
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.core.recon.schedule import levels
from fetalt2prep.core.slice_op import PROFILES, in_plane_sigma_mm, lattice_blur_voxels
from fetalt2prep.core.stack import Stack

PIECES = (None, 2**17, 2**16, 2**15, 2**14)
"""Lattice points that the field's network sees at once, from all to few; fewer would cost time and save little."""
MARGIN_MM = 5.5  # of the lattice beyond the outermost pixel, about, and one point more
# Counted in the code and fitted to measured peaks, see docs/method.md.
TENSORS_PER_PARAMETER = 8  # itself, gradient, two moments of Adam, two copies to fall back on, table, slack
FLOATS_PER_ECHO_AND_POINT, FLOATS_PER_ECHO_AND_VOXEL = 8, 3  # of the regularisation; of volumes and their blur
BYTES_PER_TAP = 32  # index and weight, in the matrix and its transpose, on the box and on the points that are touched
BYTES_PER_BLUR_TAP = 48  # the same for three axes and both ways
BYTES_PER_PIXEL = 300
SCRATCH_MB = 25.0
HOLES = 1.4  # what a heap that keeps freed blocks holds, over what is in use


@dataclass(frozen=True, kw_only=True)
class Size:
    """What decides how much memory a session takes."""

    n_pixels: int
    n_taps: int
    """Lattice points that a pixel sees."""
    n_blur_taps: int
    """Lattice points along an axis that the isotropic blur mixes."""
    n_echoes: int
    n_voxels: int
    """Of the finest lattice's box."""
    n_points: int
    """Of the finest lattice that any slice sees, about."""
    n_parameters: int
    floats_per_point: int
    """Kept by the field's networks for the gradient."""

    def mb(self, points_at_once: int | None = None) -> float:
        """Most memory in use at a time, megabytes (10^6 bytes), besides what the process holds before."""
        at_once = min(self.n_points, points_at_once or self.n_points)
        floats = (
            self.n_parameters * TENSORS_PER_PARAMETER
            + at_once * self.floats_per_point * 1.1  # and of the gradient on its way back
            + self.n_echoes * (self.n_points * FLOATS_PER_ECHO_AND_POINT + self.n_voxels * FLOATS_PER_ECHO_AND_VOXEL)
        )
        slices = self.n_pixels * (self.n_taps * BYTES_PER_TAP + BYTES_PER_PIXEL)
        blur = self.n_points * self.n_blur_taps * BYTES_PER_BLUR_TAP
        return (4.0 * floats + slices + blur) / 1e6 + SCRATCH_MB


def size_of(stacks: Sequence[Stack], options: ReconOptions) -> Size:
    """Size of a session's reconstruction; nothing of it is allocated."""
    masked = [stack for stack in stacks if stack.mask.any()]
    ends = torch.as_tensor(np.concatenate([_ends_mm(stack) for stack in masked]))
    margin_mm = MARGIN_MM + options.resolution_mm
    grid = Grid.around(ends, options.resolution_mm, margin_mm, 2 ** (GRID_LEVELS - 1))
    thickness_mm = torch.tensor([stack.thickness_mm for stack in masked])
    in_plane_mm = min(float(min(stack.spacing_mm[:2])) for stack in masked)
    sigma_mm = in_plane_sigma_mm(in_plane_mm)
    profile = PROFILES[options.profile](thickness_mm, sigma_mm)
    blur_voxels = lattice_blur_voxels(sigma_mm, options.resolution_mm)
    te_s = tuple(sorted({stack.te_s for stack in masked}))
    spec = FieldSpec(
        model=options.model,
        kind=options.field,
        te_s=te_s,
        mean_log_signal=(0.0,) * len(te_s),
        start_r2=3.5,
        grid=grid,
        spacings_mm=(levels(options.resolution_mm)[0].spacing_mm, options.resolution_mm),
    )
    with torch.device("meta"):  # shapes without numbers
        field = make_field(spec)
    seen_mm3 = max(_seen_mm3(stack) for stack in masked)
    return Size(
        n_pixels=sum(int(stack.mask.sum()) for stack in masked),
        n_taps=8 * profile.offsets_mm.shape[1],
        n_blur_taps=2 * max(0, math.ceil(REACH_SIGMAS * blur_voxels - 0.5)) + 1,
        n_echoes=len(te_s),
        n_voxels=grid.n_points,
        n_points=min(grid.n_points, round(seen_mm3 / options.resolution_mm**3)),
        n_parameters=sum(parameter.numel() for parameter in field.parameters()),
        floats_per_point=field.floats_per_point,
    )


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One way to carry a reconstruction out."""

    device: str
    points_at_once: int | None = None
    """Lattice points that the field's network sees at once; None: all."""
    keep_heap: bool = True
    """Whether there is memory enough for freed blocks to stay in the process."""
    expected_mb: float = 0.0
    """Memory it should take, besides what the process holds before."""
    notes: tuple[str, ...] = ()

    def smaller(self) -> Attempt | None:
        """What to try when the memory ran out: smaller pieces, then the processor; None when nothing is left.

        What is minimised stays the same. With a coarser lattice it would not: that is left to the user.
        """
        pieces = [n for n in PIECES if n is not None and n < (self.points_at_once or 2**62)]
        if pieces:
            told = f"{self.device}: out of memory; the field was evaluated in pieces of {pieces[0]:,} points."
            return replace(self, points_at_once=pieces[0], keep_heap=False, notes=(*self.notes, told))
        if self.device != "cpu":
            told = f"{self.device}: out of memory even in small pieces; the reconstruction ran on the processor."
            return Attempt(device="cpu", notes=(*self.notes, told))
        return None


def first_attempt(size: Size, device: str, free_mb: float | None) -> Attempt:
    """The fastest way that the memory allows; None: all the memory one could wish for.

    Raises
    ------
    ValueError
        Even the smallest pieces would not fit; the message says what would.
    """
    if free_mb is None or HOLES * size.mb() <= free_mb:
        return Attempt(device=device, expected_mb=HOLES * size.mb())
    for points_at_once in PIECES:
        expected_mb = size.mb(points_at_once)
        if expected_mb <= free_mb:
            told = f"{free_mb:,.0f} MB of memory: the field was evaluated in pieces of {points_at_once or 0:,} points."
            notes = (told,) if points_at_once else ()
            return Attempt(
                device=device,
                points_at_once=points_at_once,
                keep_heap=False,
                expected_mb=expected_mb,
                notes=notes,
            )
    raise ValueError(
        f"The reconstruction needs about {size.mb(PIECES[-1]):,.0f} MB besides what the process holds "
        f"({size.n_pixels:,} pixels, {size.n_points:,} lattice points), and {max(free_mb, 0.0):,.0f} MB are free. "
        "Give it more memory (--mem-mb), a coarser --recon-resolution, or fewer processes side by side (--nprocs)."
    )


def _ends_mm(stack: Stack) -> np.ndarray:
    """Least and greatest world position of a stack's masked pixels along each axis, (2, 3)."""
    points_mm = np.argwhere(stack.mask) @ stack.affine[:3, :3].T + stack.affine[:3, 3]
    return np.stack((points_mm.min(0), points_mm.max(0)))


def _seen_mm3(stack: Stack) -> float:
    """Volume that a stack's slices see, as if its mask were a ball: half a slice and a voxel beyond it."""
    own_mm3 = float(stack.mask.sum()) * float(np.prod(stack.spacing_mm))
    radius_mm = (3.0 * own_mm3 / (4.0 * np.pi)) ** (1.0 / 3.0)
    beyond_mm = 0.5 * stack.thickness_mm + float(min(stack.spacing_mm[:2]))
    return float(4.0 / 3.0 * np.pi * (radius_mm + beyond_mm) ** 3)
