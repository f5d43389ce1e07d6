"""Standard errors of the reconstructed echoes: what the noise of the pixels does to the optimum.

Around a point everything varies slowly against the point spread function, so the Hessian H of the objective and the
data's own part D of it are diagonalised by plane waves, point by point: for a wave of frequency f the slices'
information falls with their transfer functions, the cost of edges grows with f squared, and the priors stay. The
estimate's covariance is the mean of ``H^-1 D H^-1`` over all waves that the lattice holds, times the square of the
residual's spread over the noise that weighted the data (denoised pixels are quieter than that). Total variation is
replaced by the quadratic that touches it at the step between neighbours, widened by the variance of that step, in a few
iterations. What resolution and priors take from the truth (bias) is not in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fetalt2prep.core.field.echo import EchoField, SeparateFields
from fetalt2prep.core.geometry import Rigid
from fetalt2prep.core.outlier import robust_sigma
from fetalt2prep.core.recon.field_fit import Scene
from fetalt2prep.core.recon.priors import (
    DENSITY_SPREAD,
    DENSITY_WEIGHT,
    RATE_EDGE_WEIGHT,
    RATE_SPREAD,
    RATE_WEIGHT,
    brightness,
    lost_signal,
)
from fetalt2prep.core.recon.slices import Slices
from fetalt2prep.core.slice_op import blur

WAVES_PER_AXIS = 6
ITERATIONS = 3
POINTS_AT_ONCE = 2**12  # with 108 waves each: 50 MB of scratch


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


@torch.no_grad()
def echo_stderr(
    field: EchoField | SeparateFields,
    scene: Scene,
    slices: Slices,
    poses: Rigid,
    slice_weight: Tensor,
    *,
    coupled: bool,
) -> Tensor:
    """Standard error of every echo at the lattice's points, (echo, n), session scale.

    coupled: the echoes are one decay (``decay``, and nearly so ``mcreg`` and ``bridge``); else each is by itself.
    Coupled echoes share two unknowns, so that each is better known than its own slices make it; the errors are given as
    those of independent echoes from which a fit of S0 and R2 has the decay's own errors on average: times
    ``sqrt(n_echoes / 2)``.
    """
    lattice = scene.lattice
    log_signal = field.on_lattice(lattice.index)
    signal = torch.exp(log_signal)
    dense = blur(scene.operator.adjoint(scene.weight * scene.gain.square()), max(scene.blur_voxels, 0.5))
    information = dense.flatten(1)[:, lattice.index].clamp(min=1e-9) / scene.sigma**2
    spectrum = waves(slices, poses, slice_weight, lattice.grid.spacing_mm)
    spread = robust_sigma(scene.gain * scene.predict(log_signal) - scene.values) / scene.sigma
    if not coupled:
        return spread * torch.stack(
            [_alone(signal[e], information[e], spectrum.passed[e], spectrum, scene) for e in range(len(signal))]
        )
    covariance = _decay_covariance(log_signal, information, spectrum, scene, slices.te_s)
    delay = (slices.te_s - slices.te_s.mean())[:, None]
    variance = covariance[0] - 2 * delay * covariance[1] + delay.square() * covariance[2]
    return spread * signal * (variance.clamp(min=0) * len(signal) / 2).sqrt()


def _alone(signal: Tensor, information: Tensor, passed: Tensor, spectrum: Waves, scene: Scene) -> Tensor:
    """One echo without ties to the others: its data and its edges, (n,)."""
    steps = _mean_step(signal[None], scene)
    face = scene.edge_weight * scene.lattice.grid.spacing_mm**2
    variance = torch.zeros_like(signal)
    for _ in range(ITERATIONS):
        tie = face / (steps + 2 * variance).clamp(min=1e-10).sqrt()
        variance = torch.cat(
            [
                _noise(i[:, None] * passed, t[:, None] * spectrum.stiffness).mean(1)
                for i, t in zip(information.split(POINTS_AT_ONCE), tie.split(POINTS_AT_ONCE), strict=True)
            ]
        )
    return variance.sqrt()


def _noise(data: Tensor, tie: Tensor) -> Tensor:
    return data / (data + tie).square().clamp(min=1e-20)


def _decay_covariance(
    log_signal: Tensor, information: Tensor, spectrum: Waves, scene: Scene, te_s: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Variance of log S at the mean echo time, its covariance with R2, variance of R2, each (n,)."""
    signal = torch.exp(log_signal)
    delay, reach_s = te_s - te_s.mean(), te_s.max() - te_s.min()
    area = scene.lattice.grid.spacing_mm**2
    face, rate_face = scene.edge_weight * area, RATE_EDGE_WEIGHT / scene.unit_mm**2 * area
    volume = 2 * (scene.lattice.grid.spacing_mm / scene.unit_mm) ** 3
    bright = torch.ones_like(signal[0]) if scene.typical is None else brightness(log_signal, scene.typical)
    priors = 0.0 if scene.typical is None else 1.0
    density = priors * volume * DENSITY_WEIGHT / DENSITY_SPREAD**2 * bright
    rate = priors * volume * RATE_WEIGHT / RATE_SPREAD**2
    steps, rate_steps = _mean_step(signal, scene), _mean_step(lost_signal(log_signal, te_s)[None], scene)
    power = signal.square()
    moments = torch.stack([(power * w[:, None]).sum(0) for w in (torch.ones_like(delay), -delay, delay.square())])
    out = torch.zeros(3, signal.shape[1], device=signal.device)
    for _ in range(ITERATIONS):
        spread = (power * (out[0] - 2 * delay[:, None] * out[1] + delay.square()[:, None] * out[2])).sum(0).clamp(min=0)
        tie = face / (steps + 2 * spread).clamp(min=1e-10).sqrt()
        rate_tie = priors * rate_face * bright.square() * reach_s**2
        rate_tie = rate_tie / (rate_steps + 2 * reach_s**2 * out[2]).clamp(min=1e-10).sqrt()
        pieces = []
        for some in torch.arange(signal.shape[1], device=signal.device).split(POINTS_AT_ONCE):
            weight = (information[:, some] * power[:, some])[:, :, None] * spectrum.passed[:, None]
            data = [torch.einsum("e,enk->nk", w, weight) for w in (torch.ones_like(delay), -delay, delay.square())]
            edges = (tie[some] * moments[:, some])[:, :, None] * spectrum.stiffness
            aa = data[0] + edges[0] + density[some, None]
            ar = data[1] + edges[1] + density[some, None] * te_s.mean()
            rr = data[2] + edges[2] + density[some, None] * te_s.mean() ** 2 + rate
            rr = rr + rate_tie[some, None] * spectrum.stiffness
            pieces.append(_sandwich((aa, ar, rr), data))
        out = torch.cat(pieces, 1)
    return out[0], out[1], out[2]


def _sandwich(whole: tuple[Tensor, Tensor, Tensor], data: list[Tensor]) -> Tensor:
    """``H^-1 D H^-1`` of symmetric 2 x 2 matrices given as (aa, ar, rr), each (n, k); its mean over k, (3, n)."""
    aa, ar, rr = whole
    determinant = (aa * rr - ar.square()).clamp(min=1e-20)
    inverse = (rr / determinant, -ar / determinant, aa / determinant)
    left = [
        inverse[0] * data[0] + inverse[1] * data[1],
        inverse[0] * data[1] + inverse[1] * data[2],
        inverse[1] * data[0] + inverse[2] * data[1],
        inverse[1] * data[1] + inverse[2] * data[2],
    ]
    both = (
        left[0] * inverse[0] + left[1] * inverse[1],
        left[0] * inverse[1] + left[1] * inverse[2],
        left[2] * inverse[1] + left[3] * inverse[2],
    )
    return torch.stack([part.mean(1) for part in both])


def _mean_step(values: Tensor, scene: Scene) -> Tensor:
    """Sum over axes and channels of the squared steps to the neighbours, mean of both ways, (channel, n) -> (n,)."""
    total = torch.zeros_like(values[0])
    for following, preceding in zip(scene.lattice.following, scene.lattice.preceding, strict=True):
        ahead, behind = values[:, following] - values, values - values[:, preceding]
        total += 0.5 * (ahead.square() + behind.square()).sum(0)
    return total
