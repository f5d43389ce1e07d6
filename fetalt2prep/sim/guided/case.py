"""A coarse quantitative scan and fine weighted images of a head: what guided super-resolution is given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fetalt2prep.core.guided.given import CoarseMaps, Guide
from fetalt2prep.core.signal import InversionRecovery, Mprage, SignalModel, SpinEcho, SpoiledGradientEcho
from fetalt2prep.core.truncation import KSpaceTruncation
from fetalt2prep.sim.guided.relaxation_maps import FINER, RelaxationMaps

COARSE_NOISE = 0.01  # of each value of a coarse map
GUIDE_NOISE = (0.01, 0.03)  # of the guide's median
GAIN = 0.7  # largest logarithm of a guide's scale


@dataclass(frozen=True)
class GuidedCase:
    """One head, seen coarsely and through guides; tensors on the grid of the maps, or the coarse one."""

    coarse: CoarseMaps
    guides: dict[str, Guide]  # ``t1w`` and ``t2w``
    gains: dict[str, float]  # true scale of each guide
    see: KSpaceTruncation
    mask: Tensor


def draw_guided_case(rng: np.random.Generator, maps: RelaxationMaps, factor: int) -> GuidedCase:
    """Maps cut to ``1 / factor`` of k-space along each axis, with noise; guides of drawn sequence and scale.

    Guides are made of the tissue, not of the maps.
    """
    see = KSpaceTruncation.between(maps.mask.shape, [n // factor for n in maps.mask.shape])
    seen = []
    for values in (maps.pd, maps.t1_s, maps.t2_s):
        cut = see.forward(torch.from_numpy(values))
        seen.append(cut + COARSE_NOISE * cut.abs() * _normal(rng, cut.shape))
    guides, gains = {}, {}
    for name, model in (("t1w", draw_t1w(rng)), ("t2w", draw_t2w(rng))):
        gain = float(np.exp(rng.uniform(-GAIN, GAIN)))
        image = gain * torch.from_numpy(maps.signal(model))
        noise = float(rng.uniform(*GUIDE_NOISE)) * float(image[torch.from_numpy(maps.mask)].median())
        noisy = (image + noise * _normal(rng, image.shape)).abs()
        guides[name], gains[name] = Guide(name=name, image=noisy, model=model, noise=noise), gain
    coarse = CoarseMaps(pd=seen[0], t1_s=seen[1], t2_s=seen[2], sigma=COARSE_NOISE)
    return GuidedCase(coarse, guides, gains, see, torch.from_numpy(maps.mask))


def draw_patch(rng: np.random.Generator, fine: NDArray[np.float16], side: int) -> RelaxationMaps:
    """Part of a kept head, ``side`` voxels wide and long, somewhere in the brain, mirrored or not; all its slices.

    Its outermost voxels are emptied: k-space sees an object with nothing around it.
    """
    n_x, n_y = (n // FINER for n in fine.shape[1:3])
    if min(n_x, n_y) < side:
        raise ValueError(f"the head is {n_x} x {n_y} voxels; a patch of {side} does not fit.")
    x, y = (int(rng.integers(n - side + 1)) * FINER for n in (n_x, n_y))
    part = fine[:, x : x + FINER * side, y : y + FINER * side].astype(np.float32)
    for axis in range(3):
        part = np.flip(part, axis + 1) if rng.random() < 0.5 else part
    part = np.ascontiguousarray(part)
    for rim in (slice(FINER), slice(-FINER, None)):
        part[0, rim] = part[0, :, rim] = 0.0
    return RelaxationMaps.of(part)


def draw_t1w(rng: np.random.Generator) -> SignalModel:
    """A T1-weighted sequence: MPRAGE or a spoiled gradient echo, parameters around the clinical ones."""
    if rng.random() < 0.5:
        spacing_s, ti_s = float(rng.uniform(0.006, 0.010)), float(rng.uniform(0.8, 1.1))
        return Mprage(
            te_s=float(rng.uniform(0.002, 0.004)), ti_s=ti_s, tr_s=float(rng.uniform(1.9, 2.5)),
            flip_deg=float(rng.uniform(7.0, 10.0)), spacing_s=spacing_s,
            n_pulses=int(min(rng.uniform(120, 180), 1.8 * ti_s / spacing_s)),
        )  # fmt: skip
    return SpoiledGradientEcho(
        te_s=float(rng.uniform(0.002, 0.005)), tr_s=float(rng.uniform(0.008, 0.028)),
        flip_deg=float(rng.uniform(15.0, 28.0)),
    )  # fmt: skip


def draw_t2w(rng: np.random.Generator) -> SpinEcho:
    """A T2-weighted spin echo."""
    return SpinEcho(te_s=float(rng.uniform(0.075, 0.12)), tr_s=float(rng.uniform(3.5, 7.0)))


def flair(field_t: float) -> InversionRecovery:
    """T2-FLAIR that nulls the fluid at that field; never a guide."""
    return InversionRecovery(te_s=0.12, ti_s=2.4 if field_t < 2 else 2.5, tr_s=9.0)


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(rng.standard_normal(shape).astype(np.float32))
