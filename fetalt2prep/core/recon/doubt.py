"""Standard errors of the reconstructed echoes, from the curvature of the objective at its optimum.

The inverse of the whole Hessian is out of reach, but around a point everything varies slowly against the point spread
function. So the Hessian is diagonalised by plane waves, point by point: for a wave of frequency f the slices' information
falls with their transfer functions, the cost of edges grows with f squared, and the priors stay. The variance at the
point is the mean over all waves that the lattice holds. Total variation is replaced by the quadratic that touches it at
the step between neighbours, widened by the variance of that step (as variational Bayes does), in a few iterations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fetalt2prep.core.geometry import Rigid
from fetalt2prep.core.recon.slices import Slices

WAVES_PER_AXIS = 6
ITERATIONS = 3
POINTS_AT_ONCE = 2**14


@dataclass(frozen=True)
class Waves:
    """Plane waves of a lattice (k,), and how the slices of each echo pass their power, (echo, k)."""

    stiffness: Tensor
    """Sum of squared differences between neighbours, per square of the amplitude."""
    passed: Tensor


def waves(slices: Slices, poses: Rigid, weight: Tensor, spacing_mm: float) -> Waves:
    """weight: (slice,), how much each slice counts."""
    n = WAVES_PER_AXIS
    turns = (torch.arange(n, device=weight.device) + 0.5) / n - 0.5  # cycles per lattice step
    steps = torch.cartesian_prod(turns[: n // 2], turns, turns)  # the other half is the same mirrored
    stiffness = (2 - 2 * torch.cos(2 * math.pi * steps)).sum(1)
    cycles_mm = steps / spacing_mm
    normals = (poses.rotation @ slices.normals[..., None])[..., 0]
    profile = slices.profile()
    along = cycles_mm @ normals.T  # (k, slice)
    phase = 2 * math.pi * along[..., None] * profile.offsets_mm
    across = (profile.weights * torch.cos(phase)).sum(-1).square()
    in_plane = torch.exp(-4 * math.pi**2 * slices.blur_sigma_mm**2 * cycles_mm.square().sum(1))
    n_echoes = len(slices.te_s)
    total = weight.new_zeros(n_echoes).index_add_(0, slices.echo_of, weight).clamp(min=1e-9)
    passed = weight.new_zeros(n_echoes, len(steps)).index_add_(0, slices.echo_of, (across * weight).T)
    return Waves(stiffness, passed / total[:, None] * in_plane)
