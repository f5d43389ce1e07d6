"""What the scanner makes of one slice: coils, lines of k-space, noise, SENSE, partial Fourier, magnitude."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fetalt2prep.core.coils import Sense
from fetalt2prep.core.fourier_op import MaskedFft, fft2c, ifft2c
from fetalt2prep.core.kt.baselines import cg_sense
from fetalt2prep.core.sense.homodyne import Homodyne
from fetalt2prep.sim.dynamic_scan import background_phase, coil_maps, white_noise
from fetalt2prep.sim.echo_train import EchoTrain, plan_train
from fetalt2prep.sim.kspace import kspace_window, truncate_kspace
from fetalt2prep.sim.pairs.plan import Plan

Floats = NDArray[np.float32]
T2_NODES_S = np.array([0.03, 0.07, 0.15, 0.4, 2.0])
"""The decay along the train is that of these, mixed for the T2 in between."""
FEW_BEFORE = 0.62
"""Single-shot trains have few lines before the middle; the others take the echo of their mirror image."""
RIDGE, CG_STEPS = 0.003, 10


def acquire(
    rng: np.random.Generator, plan: Plan, signal: Floats, t2_s: Floats, pixel_mm: float, n_pixels: int
) -> tuple[Floats, Floats]:
    """The slice as it was measured, and fully sampled without noise: magnitudes (x, y).

    signal, t2_s: (x, y) on a lattice of several points a pixel. The second axis is phase-encoded. Coil maps are known,
    not estimated. Both images have the blur of the same echo train.
    """
    images, weights = _train(plan, signal, t2_s, pixel_mm, n_pixels)
    phase = background_phase(n_pixels, rng)
    maps = coil_maps(n_pixels, plan.n_coils, rng)
    spectrum = (fft2c(images[:, None] * phase * maps) * weights[:, None, None, :]).sum(0)
    target = (ifft2c(spectrum) * maps.conj()).sum(0).abs()
    acquired = _acquired(plan, n_pixels)
    window = torch.from_numpy(kspace_window((n_pixels, n_pixels), acquired).astype(np.float32))
    seen = target > 0.1 * target.max()
    sigma = float(target[seen].mean()) / plan.snr
    noise = math.sqrt(2) * sigma * torch.from_numpy(white_noise(tuple(spectrum.shape), rng)) * window
    lines = sampled_lines(plan, n_pixels, int(rng.integers(max(1, int(plan.acceleration)))))
    mask = torch.from_numpy(lines)[None, None].expand(1, n_pixels, n_pixels)

    def image_of(samples: Tensor) -> Tensor:
        measured = samples[None] * mask[:, None]
        if plan.acceleration == 1.0:
            return (ifft2c(measured[0]) * maps.conj()).sum(0)
        return cg_sense(Sense(MaskedFft(mask), maps), measured, RIDGE, CG_STEPS)[0]

    image = image_of(spectrum + noise)
    if _before(plan, n_pixels) >= n_pixels // 2:
        return image.abs().numpy(), target.numpy()
    return _magnitude(image, image_of(noise), plan).numpy(), target.numpy()


def sampled_lines(plan: Plan, n: int, first: int) -> NDArray[np.bool_]:
    """Which lines of k-space are measured, (n,), zero frequency at ``n // 2``.

    Every ``acceleration``-th, rounded where that is no whole number, the calibration lines, and with partial Fourier
    none before the first of the train.
    """
    at = np.rint(first + np.arange(0, n / plan.acceleration) * plan.acceleration).astype(int)
    lines = np.zeros(n, np.bool_)
    lines[at[at < n]] = True
    middle, half = n // 2, plan.n_calibration // 2
    if plan.acceleration > 1:
        lines[middle - half : middle + half] = True
    lines[: middle - _before(plan, n)] = False
    return lines


def _before(plan: Plan, n: int) -> int:
    """Lines before the middle of k-space that are measured."""
    return math.ceil((plan.partial_fourier - 0.5) * n)


def _acquired(plan: Plan, n: int) -> tuple[int, int]:
    side = 2 * round(plan.acquired_share * n / 2)
    return side, side


def _train(plan: Plan, signal: Floats, t2_s: Floats, pixel_mm: float, n: int) -> tuple[Tensor, Tensor]:
    """Images (node, x, y) on pixels and the weight of each line of each, (node, y)."""
    acquired = _acquired(plan, n)
    if not plan.single_shot:
        return torch.from_numpy(truncate_kspace(signal, (n, n), acquired=acquired))[None], torch.ones(1, n)
    place = np.clip(np.log(np.maximum(t2_s, 1e-3)), *np.log(T2_NODES_S[[0, -1]]))
    place = np.interp(place, np.log(T2_NODES_S), np.arange(len(T2_NODES_S)))
    shares = np.maximum(1 - np.abs(place - np.arange(len(T2_NODES_S))[:, None, None]), 0).astype(np.float32)
    used = [k for k in range(len(T2_NODES_S)) if (shares[k] * signal).any()]
    images = np.stack([truncate_kspace(shares[k] * signal, (n, n), acquired=acquired) for k in used])
    least_before = (plan.te_s / plan.spacing_s - 1) * plan.acceleration / n  # share of k-space before the middle
    fourier = float(np.clip(0.5 + least_before - 0.02, 0.51, min(plan.partial_fourier, FEW_BEFORE)))
    train = EchoTrain(
        spacing_s=plan.spacing_s, partial_fourier=fourier, acceleration=plan.acceleration,
        field_of_view_mm=n * pixel_mm,
    )  # fmt: skip
    layout = plan_train(train, plan.te_s, pixel_mm)
    time_s = (layout.echo_of_line(n, pixel_mm) + 1) * layout.spacing_s
    weights = np.exp(-(time_s - plan.te_s) / T2_NODES_S[used, None]).astype(np.float32)
    return torch.from_numpy(images), torch.from_numpy(weights)


def _magnitude(image: Tensor, noise: Tensor, plan: Plan) -> Tensor:
    """Absolute value after partial Fourier: the homodyne image (Noll 1991, doi:10.1109/42.79473), with Rician noise.

    image, noise: complex, of SENSE; noise: of the same reconstruction without signal. The homodyne step leaves out the
    noise across the phase, and dark pixels are then lifted less than in other magnitudes. That part is put back, so
    that all pictures have one kind of noise, the one that a reconstruction of magnitudes takes for granted.
    """
    n = image.shape[-1]
    step = Homodyne.of_lines(n, _before(plan, n), first_missing=True)
    lines_first, noise_first = image.transpose(-2, -1), noise.transpose(-2, -1)
    restored = step(lines_first)
    across = (step.ramped(noise_first) * torch.sgn(restored).conj()).imag
    return torch.hypot(restored.abs(), across).transpose(-2, -1)
