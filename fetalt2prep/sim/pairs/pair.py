"""Pairs of one scene: drawn, measured, scaled, and stored with what is known of their noise."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from fetalt2prep.core.denoise.noise import estimate_noise_sigma
from fetalt2prep.sim.artefacts import draw_voids, void_factor
from fetalt2prep.sim.pairs.acquire import acquire
from fetalt2prep.sim.pairs.plan import PairOptions, Plan, draw_plan
from fetalt2prep.sim.pairs.scene import FINE, N_SUB, Scene, draw_scene
from fetalt2prep.sim.pictures.noise_field import Floats, draw_smooth

FOREGROUND = 0.1  # of the bright level
REACH_MM = 60.0


def pair_dtype(n_pixels: int) -> np.dtype[np.void]:
    """One pair: ``measured`` and ``target`` (x, y) with a bright level of 1, and two numbers on their noise.

    ``sigma``: what :func:`fetalt2prep.core.denoise.noise.estimate_noise_sigma` says of the measured slice, which is
    what a denoiser is told in use; ``error``: root mean square of what is wrong with it where there is signal.
    """
    plane = ("<f2", (n_pixels, n_pixels))
    return np.dtype([("measured", *plane), ("target", *plane), ("sigma", "<f4"), ("error", "<f4")])


def draw_pairs(seed: int, options: PairOptions | None = None) -> NDArray[np.void]:
    """The pairs of scene number ``seed``, (slice,) of :func:`pair_dtype`: the same number gives the same pairs."""
    options = PairOptions() if options is None else options
    rng = np.random.default_rng([seed, 0x9A12])
    scene = draw_scene(rng, options)
    plans = [draw_plan(rng, scene.part, _contrast(rng, options)) for _ in range(options.n_slices)]
    return np.concatenate([measure(rng, scene, k, plan) for k, plan in enumerate(plans)])


def _contrast(rng: np.random.Generator, options: PairOptions) -> str:
    """T2 mostly, where it is among the choices."""
    if "t2" in options.contrasts and rng.random() < 0.6:
        return "t2"
    return str(rng.choice(options.contrasts))


def measure(rng: np.random.Generator, scene: Scene, k: int, plan: Plan) -> NDArray[np.void]:
    """Slice ``k`` of a scene by a plan, (1,) of :func:`pair_dtype`."""
    n_pixels = scene.labels.shape[0] // FINE
    signal, t2_s = _signal(rng, scene, k, plan)
    measured, target = acquire(rng, plan, signal, t2_s, scene.pixel_mm, n_pixels)
    bright = max(float(np.percentile(target, 99)), 1e-6)
    measured, target = measured / bright, target / bright
    pair = np.zeros(1, pair_dtype(n_pixels))
    pair["measured"], pair["target"] = measured, target
    pair["sigma"] = estimate_noise_sigma(measured[:, :, None])
    pair["error"] = np.sqrt(np.mean((measured - target)[target > FOREGROUND] ** 2))
    return pair


def _signal(rng: np.random.Generator, scene: Scene, k: int, plan: Plan) -> tuple[Floats, Floats]:
    """Signal and T2 (x, y) on the lattice: mean of the sub-slices, coil field, voids."""
    level = plan.model(*(torch.from_numpy(v) for v in (scene.m0, 1 / scene.t1_s, 1 / scene.t2_s))).abs().numpy()
    sub = slice(k * N_SUB, (k + 1) * N_SUB)
    labels = scene.labels[:, :, sub]
    signal = (level[labels] * scene.texture[:, :, sub]).mean(-1)
    spacing = scene.pixel_mm / FINE
    field = draw_smooth(rng, (*signal.shape, 1), (spacing, spacing, 1.0), float(rng.uniform(60, 140)))[:, :, 0]
    signal = signal * np.exp(rng.uniform(0, 0.3) * field)
    if plan.voids:
        x, y = (((np.arange(n) - (n - 1) / 2) * spacing).astype(np.float32) for n in signal.shape)
        signal = signal * void_factor(draw_voids(rng, 1, 1.0, REACH_MM), 0, x[:, None], y[None])
    return signal.astype(np.float32), scene.t2_s[labels[:, :, 0]]
