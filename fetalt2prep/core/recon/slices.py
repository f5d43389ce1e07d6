"""All stacks of a session flattened to the pixels inside their masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fetalt2prep.core.denoise.noise import estimate_noise_sigma
from fetalt2prep.core.geometry import Grid, Rigid
from fetalt2prep.core.recon.penalty import decay_rate
from fetalt2prep.core.recon.priors import FLUID_EXCESS, TypicalDecay
from fetalt2prep.core.recon.smooth_field import SmoothField
from fetalt2prep.core.recon.sweeps import sweeps
from fetalt2prep.core.slice_op import PROFILES, Profile, SliceOperator, in_plane_sigma_mm
from fetalt2prep.core.stack import Stack

LEAST_FLOOR = 1e-6  # session scale: the square root in the magnitude has no slope at exactly 0
UNIT_SHARE = 0.373  # of the edge of a cube as large as a pixel


@dataclass(frozen=True, kw_only=True)
class Slices:
    """Pixels of every slice of every stack, before motion correction; world millimetres, scaled intensities."""

    values: Tensor  # (pixel,)
    points_mm: Tensor  # (pixel, 3)
    slice_idx: Tensor  # (pixel,)
    echo_of: Tensor  # (slice,)
    stack_of: Tensor  # (slice,)
    index_in_stack: Tensor  # (slice,)
    time_s: Tensor  # (slice,) acquisition time within the stack, NaN when unknown
    order: Tensor  # (slice,) rank of acquisition within the stack
    package_of: Tensor  # (slice,) interleave package over all stacks; one per stack where slice times do not tell
    normals: Tensor  # (slice, 3)
    centres_mm: Tensor  # (slice, 3)
    thickness_mm: Tensor  # (slice,)
    blur_sigma_mm: float  # isotropic part of the point spread function
    unit_mm: float  # length in which regularisation counts points and faces; 0.8 for 1.48 x 1.48 x 4.5 mm pixels
    te_s: Tensor  # (echo,) ascending
    scale: float  # scanner units per unit of ``values``, one for the whole session
    noise_sigma: float  # of the pixels as acquired, session scale
    noise_floor: float  # the same as far as it still lifts dark pixels
    names: tuple[str, ...]  # (stack,)
    profile_name: str = "box"  # one of PROFILES

    @property
    def n_slices(self) -> int:
        """Slices with and without pixels inside the mask."""
        return len(self.echo_of)

    @property
    def echo_idx(self) -> Tensor:
        """Echo of every pixel, (pixel,)."""
        return self.echo_of[self.slice_idx]

    def profile(self) -> Profile:
        """Quadrature of every slice's through-plane profile."""
        return PROFILES[self.profile_name](self.thickness_mm, self.blur_sigma_mm)

    def operator(self, grid: Grid, poses: Rigid) -> SliceOperator:
        """Slice acquisition at these poses on this grid."""
        return SliceOperator(
            grid,
            len(self.te_s),
            poses,
            self.profile(),
            points_mm=self.points_mm,
            slice_idx=self.slice_idx,
            echo_idx=self.echo_idx,
            normals=self.normals,
        )

    def mean_per_slice(self, pixels: Tensor, weights: Tensor | None = None) -> Tensor:
        """Mean over each slice's pixels, (pixel,) -> (slice,); 0 for a slice without pixels."""
        weights = torch.ones_like(pixels) if weights is None else weights
        return self.sum_per_slice(pixels * weights) / self.sum_per_slice(weights).clamp(min=1e-12)

    def sum_per_slice(self, pixels: Tensor) -> Tensor:
        """Sum over each slice's pixels, (pixel, *) -> (slice, *)."""
        out = pixels.new_zeros(self.n_slices, *pixels.shape[1:])
        return out.index_add_(0, self.slice_idx, pixels)


def typical_decay(slices: Slices) -> TypicalDecay:
    """Decay of the session's median pixel; R2 between 1 and 20 per second, 3.5 with one echo time."""
    medians = torch.stack([slices.values[slices.echo_idx == echo].median() for echo in range(len(slices.te_s))])
    log_medians = medians.clamp(min=1e-3).log()
    r2 = 3.5 if len(slices.te_s) < 2 else float(decay_rate(log_medians, slices.te_s).clamp(1.0, 20.0))
    log_s0 = float(log_medians.mean() + r2 * slices.te_s.mean())
    return TypicalDecay(
        log_s0=SmoothField.constant(log_s0),
        fluid_excess=FLUID_EXCESS,
        r2=r2,
        first_signal=float(medians[0].clamp(min=1e-3)),
    )


def session_scale(stacks: Sequence[Stack]) -> float:
    """One intensity scale for all stacks and echoes of a session: the 99th percentile of all masked pixels.

    Nothing else may rescale a stack or an echo by itself: ratios between echo times are the measurement.
    """
    values = np.concatenate([stack.pixels[stack.mask] for stack in stacks])
    return float(np.percentile(values, 99)) or 1.0


def acquired_noise(stacks: Sequence[Stack]) -> float:
    """Noise of a session's pixels as acquired, scanner units: median over stacks, estimated where a stack has none.

    Averaging makes a magnitude image quieter and leaves its floor where the noise had put it: the floor is that of the
    pixels before denoising.
    """
    known = [
        estimate_noise_sigma(stack.pixels, stack.mask) if stack.noise_sigma is None else stack.noise_sigma
        for stack in stacks
        if stack.mask.any()
    ]
    return float(np.median(known)) if known else 0.0


def noise_floor(stacks: Sequence[Stack]) -> float:
    """Noise that still lifts dark pixels, scanner units: :func:`acquired_noise`, less what a denoiser took off."""
    return acquired_noise([s if s.noise_floor is None else replace(s, noise_sigma=s.noise_floor) for s in stacks])


def flatten(stacks: Sequence[Stack], device: str = "cpu", profile: str = "box") -> Slices:
    """Flatten stacks to :class:`Slices`; echo indices follow ascending echo time."""
    te_s = sorted({round(stack.te_s, 6) for stack in stacks})
    scale = session_scale(stacks)
    values, points, slice_idx = [], [], []
    per_slice: dict[str, list[np.ndarray]] = {
        key: [] for key in ("echo", "stack", "index", "time", "order", "package", "normal", "centre", "thick")
    }
    first = n_packages = 0
    for number, stack in enumerate(stacks):  # a handful of stacks; pixels stay vectorised
        voxel = np.argwhere(stack.mask)
        points.append(voxel @ stack.affine[:3, :3].T + stack.affine[:3, 3])
        values.append(stack.pixels[stack.mask] / scale)
        slice_idx.append(first + voxel[:, 2])
        for key, part in _slice_columns(stack, number, te_s.index(round(stack.te_s, 6)), voxel).items():
            per_slice[key].append(part)
        per_slice["package"].append(n_packages + sweeps(stack.slice_times_s, stack.n_slices))
        n_packages = int(per_slice["package"][-1].max(initial=n_packages - 1)) + 1
        first += stack.n_slices
    column = {key: torch.as_tensor(np.concatenate(parts), device=device) for key, parts in per_slice.items()}
    in_plane = min(float(min(stack.spacing_mm[:2])) for stack in stacks)
    return Slices(
        values=torch.as_tensor(np.concatenate(values), dtype=torch.float32, device=device),
        points_mm=torch.as_tensor(np.concatenate(points), dtype=torch.float32, device=device),
        slice_idx=torch.as_tensor(np.concatenate(slice_idx), device=device),
        echo_of=column["echo"],
        stack_of=column["stack"],
        index_in_stack=column["index"],
        time_s=column["time"].float(),
        order=column["order"],
        package_of=column["package"],
        normals=column["normal"].float(),
        centres_mm=column["centre"].float(),
        thickness_mm=column["thick"].float(),
        blur_sigma_mm=in_plane_sigma_mm(in_plane),
        unit_mm=UNIT_SHARE * float(np.mean([np.prod(stack.spacing_mm) for stack in stacks])) ** (1 / 3),
        te_s=torch.tensor(te_s, dtype=torch.float32, device=device),
        scale=scale,
        noise_sigma=acquired_noise(stacks) / scale,
        noise_floor=max(noise_floor(stacks) / scale, LEAST_FLOOR),
        names=tuple(stack.name for stack in stacks),
        profile_name=profile,
    )


def _slice_columns(stack: Stack, number: int, echo: int, voxel: np.ndarray) -> dict[str, np.ndarray]:
    """Per-slice columns of one stack; ``voxel`` are the masked voxels' indices."""
    n = stack.n_slices
    times = np.full(n, np.nan) if stack.slice_times_s is None else stack.slice_times_s
    known = np.arange(n) if stack.slice_times_s is None else times
    middle = voxel[:, :2].mean(0) if len(voxel) else (np.array(stack.pixels.shape[:2]) - 1) / 2
    centres = np.column_stack((np.tile(middle, (n, 1)), np.arange(n)))
    normal = np.cross(stack.affine[:3, 0], stack.affine[:3, 1])
    return {
        "echo": np.full(n, echo),
        "stack": np.full(n, number),
        "index": np.arange(n),
        "time": times,
        "order": np.argsort(np.argsort(known, kind="stable")),
        "normal": np.tile(normal / np.linalg.norm(normal), (n, 1)),
        "centre": centres @ stack.affine[:3, :3].T + stack.affine[:3, 3],
        "thick": np.full(n, stack.thickness_mm),
    }
