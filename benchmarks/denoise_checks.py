"""Does the network follow what is there, and does T2 survive it? ``python -m benchmarks.denoise_checks``.

*Lesions*: a disc of other signal is put into, or taken from, the object of held-out slices; all else, noise too, is the
same. How much of the change of the ideal image does the denoised one show? *T2*: flat regions whose echoes are pure
exponentials, with coils and noise; each echo is denoised by itself, then T2 is fitted. *Floor*: flat regions not much
brighter than the noise, which is that of a magnitude, or of an absolute real part; how far is the mean off?
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases import HERE
from benchmarks.denoise_network import denoised
from fetalt2prep.sim.pairs.acquire import acquire
from fetalt2prep.sim.pairs.plan import Plan

RESULTS = HERE / "results" / "denoise_checks.json"
METHODS = ("none", "nlm", "nlm-rician", "unet")
SEED = 8_000_000
N, FINE, PIXEL_MM = 144, 2, 1.2
T2_S = (0.1, 0.15, 0.2, 0.28, 0.4)
ECHOES_S = (0.1, 0.2, 0.3)
LEVELS = (1.5, 2.0, 3.0, 5.0, 10.0)
"""Signals over the noise of one channel, in the order of the stripes."""
NOISES = ("magnitude", "real part")
PLAN = Plan(
    contrast="t2", te_s=0.1, snr=20.0, acceleration=2.0, partial_fourier=1.0, n_calibration=24, acquired_share=1.0,
    spacing_s=0.004, voids=False,
)  # fmt: skip
Floats = NDArray[np.float32]


def flat_regions() -> tuple[Floats, NDArray[np.int64]]:
    """Density on the lattice and the number of the region, one stripe for each T2, in a disc."""
    axis = np.linspace(-1, 1, N * FINE)
    inside = np.hypot(axis[:, None], axis) < 0.85
    stripe = np.clip(((axis + 0.85) / 1.7 * len(T2_S)).astype(int), 0, len(T2_S) - 1)
    return inside.astype(np.float32), np.broadcast_to(stripe[:, None], inside.shape)


def t2_through(method: str, snr: float, acceleration: float, weights: Path | None) -> list[dict[str, float]]:
    """Median T2 of each flat region from denoised echoes; the noise is the same at every echo time."""
    density, stripe = flat_regions()
    t2_s = np.asarray(T2_S, np.float32)[stripe]
    level = float((density * np.exp(-ECHOES_S[0] / t2_s))[density > 0].mean())
    echoes, ideal = [], []
    for n, te_s in enumerate(ECHOES_S):
        signal = (density * np.exp(-te_s / t2_s)).astype(np.float32)
        here = float(signal[density > 0].mean())
        plan = replace(PLAN, te_s=te_s, snr=snr * here / level, acceleration=acceleration)
        measured, target = acquire(np.random.default_rng([SEED, n]), plan, signal, t2_s, PIXEL_MM, N)
        echoes.append(denoised(measured, method, weights))
        ideal.append(target)
    found = []
    middle = {n: _core(stripe, density, n) for n in range(len(T2_S))}
    for n, true_s in enumerate(T2_S):
        fits = [_t2(np.stack(images)[:, middle[n]]) for images in (echoes, ideal)]
        found.append({"true_s": true_s, "t2_s": fits[0], "ideal_s": fits[1]})
    return found


def _core(stripe: NDArray[np.int64], density: Floats, n: int) -> NDArray[np.bool_]:
    """Pixels well inside a region."""
    from scipy import ndimage

    region = (stripe == n) & (density > 0)
    return np.asarray(ndimage.binary_erosion(region, iterations=8)[::FINE, ::FINE])


def _t2(echoes: Floats) -> float:
    """Median over pixels of T2 by least squares on the logarithm, weighted by the squared signal; echoes (te, n)."""
    te = np.asarray(ECHOES_S)[:, None]
    log, weight = np.log(np.maximum(echoes, 1e-6)), echoes.astype(float) ** 2
    mean_te, mean_log = ((weight * x).sum(0) / weight.sum(0) for x in (te + 0 * log, log))
    slope = (weight * (te - mean_te) * (log - mean_log)).sum(0) / (weight * (te - mean_te) ** 2).sum(0)
    return float(np.median(-1 / slope))


def lesion(method: str, change: float, radius_mm: float, snr: float, seed: int, weights: Path | None) -> float:
    """Share of a lesion's change that is seen after denoising: 1 all of it, 0 nothing; ``change`` of the signal."""
    density, stripe = flat_regions()
    t2_s = np.asarray(T2_S, np.float32)[stripe]
    rng = np.random.default_rng([SEED, seed])
    axis = (np.arange(N * FINE) - N * FINE / 2) * PIXEL_MM / FINE
    at = rng.uniform(-35, 35, 2)
    disc = np.hypot(axis[:, None] - at[0], axis - at[1]) < radius_mm
    without = (density * np.exp(-0.15 / t2_s)).astype(np.float32)
    with_it = np.where(disc, without * (1 + change), without).astype(np.float32)
    plan = replace(PLAN, te_s=0.15, snr=snr)
    # the ratio is that of the object without the lesion, so that both have the same noise
    shown = []
    for signal in (without, with_it):
        own = replace(plan, snr=snr * _level(signal) / _level(without))
        measured, target = acquire(np.random.default_rng([SEED, seed, 1]), own, signal, t2_s, PIXEL_MM, N)
        shown.append((denoised(measured, method, weights), target))
    seen, true = (shown[1][k] - shown[0][k] for k in (0, 1))
    near = np.abs(true) > 0.2 * np.abs(true).max()
    return float((seen * true)[near].sum() / (true * true)[near].sum())


def floor(method: str, noise: str, weights: Path | None) -> list[dict[str, float]]:
    """What is left of the noise floor in each stripe of :data:`LEVELS`, in units of the noise; mean of three draws."""
    density, stripe = flat_regions()
    signal = (density * np.asarray(LEVELS, np.float32)[stripe])[::FINE, ::FINE]
    middle = {n: _core(stripe, density, n) for n in range(len(LEVELS))}
    found = []
    for seed in range(3):
        rng = np.random.default_rng([SEED, seed, 2])
        real, across = rng.standard_normal((2, N, N))
        measured = np.hypot(signal + real, across if noise == "magnitude" else 0.0).astype(np.float32)
        shown = denoised(measured, method, weights)
        found.append([float(shown[middle[n]].mean()) - level for n, level in enumerate(LEVELS)])
    return [{"level": level, "off": off} for level, off in zip(LEVELS, np.mean(found, 0).tolist(), strict=True)]


def _level(signal: Floats) -> float:
    return float(signal[signal > 0.1 * signal.max()].mean())


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--weights", type=Path, help="of another network; the package's otherwise")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    rows: dict[str, Any] = json.loads(args.out.read_text("utf-8")) if args.out.exists() else {}
    for method in args.methods:
        for snr, acceleration in ((20.0, 2.0), (10.0, 2.0), (40.0, 1.0)):
            key = f"t2 {method} snr{snr:g} R{acceleration:g}"
            if key not in rows:
                rows[key] = t2_through(method, snr, acceleration, args.weights)
                print(key, [f"{r['t2_s'] / r['ideal_s'] - 1:+.3f}" for r in rows[key]], flush=True)
        for change, radius_mm in ((0.3, 6.0), (-0.3, 6.0), (0.3, 3.0), (-0.3, 3.0)):
            key = f"lesion {method} {change:+g} {radius_mm:g}mm"
            if key not in rows:
                rows[key] = [lesion(method, change, radius_mm, 15.0, seed, args.weights) for seed in range(5)]
                print(key, [round(v, 2) for v in rows[key]], flush=True)
        for noise in NOISES:
            key = f"floor {method} {noise}"
            if key not in rows:
                rows[key] = floor(method, noise, args.weights)
                print(key, [round(r["off"], 2) for r in rows[key]], flush=True)
        args.out.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
