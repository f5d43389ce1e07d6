"""The network that denoises against what needs no training, on simulated slices that nobody trained on.

``python -m benchmarks.denoise_network``: uterus scenes of seeds that no training uses, every echo time with every
signal-to-noise ratio, accelerations in turn. Input: the magnitude of the CG-SENSE image. Per slice and method: PSNR and
SSIM against the fully sampled slice without noise, two regions of 4 x 4 pixels, and what the residual looks like. Rows
that are in the results already are not run again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases import HERE
from fetalt2prep.core.denoise.noise import estimate_noise_sigma
from fetalt2prep.core.metrics import psnr, ssim
from fetalt2prep.io.denoiser import denoise_stack
from fetalt2prep.sim.pairs.pair import measure
from fetalt2prep.sim.pairs.plan import PairOptions, Plan
from fetalt2prep.sim.pairs.scene import draw_scene

RESULTS = HERE / "results" / "denoise_network.json"
SEED = 7_000_000
TE_S = (0.08, 0.16, 0.3, 0.5, 0.7)
SNR = (5.0, 10.0, 20.0, 40.0)
ACCELERATION = (1.0, 1.5, 2.0, 3.0)
METHODS = ("none", "nlm", "nlm-rician", "tv", "wavelet", "unet")
N_SLICES = 4
FOREGROUND = 0.1  # of the bright level
ROI = 4  # pixels along each side, as in the paper
Floats = NDArray[np.float32]


def plans() -> Iterator[tuple[int, Plan]]:
    """Number and plan of every slice: all echo times with all ratios, twice, other accelerations the second time."""
    cells = [(r, *cell) for r in range(2) for cell in product(range(len(TE_S)), range(len(SNR)))]
    for n, (again, i, j) in enumerate(cells):
        yield n, Plan(
            contrast="t2", te_s=TE_S[i], snr=SNR[j], acceleration=ACCELERATION[(i + j + 2 * again) % 4],
            partial_fourier=1.0 if (i + j + again) % 3 else 0.65, n_calibration=24,
            acquired_share=1.0 if (i + again) % 2 else 0.85, spacing_s=0.005, voids=False,
        )  # fmt: skip


def held_out(n: int, plan: Plan) -> tuple[Floats, Floats]:
    """Measured slice and its target, (x, y), bright level 1."""
    rng = np.random.default_rng([SEED, n])
    scene = draw_scene(np.random.default_rng([SEED, n // N_SLICES, 1]), PairOptions(parts=("brain",)))
    pair = measure(rng, scene, n % N_SLICES, plan)[0]
    return pair["measured"].astype(np.float32), pair["target"].astype(np.float32)


def denoised(measured: Floats, method: str, weights: Path | None = None) -> Floats:
    """A slice as the app would denoise it, with the noise estimated from it, and the fall-back where it applies."""
    stack = measured[:, :, None]
    found = denoise_stack(method, stack, estimate_noise_sigma(stack), None, weights)
    return found.pixels[:, :, 0]


def regions(target: Floats) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Two flat squares of the target that differ in signal: the flattest below and above the median."""
    windows = np.lib.stride_tricks.sliding_window_view(target, (ROI, ROI))[::2, ::2]
    mean, spread = windows.mean((2, 3)), windows.std((2, 3))
    middle = float(np.median(mean[mean > FOREGROUND]))
    squares = []
    for wanted in ((mean > FOREGROUND) & (mean < middle), mean >= middle):
        x, y = np.unravel_index(int(np.argmin(np.where(wanted, spread / np.maximum(mean, 1e-6), np.inf))), mean.shape)
        squares.append((slice(2 * int(x), 2 * int(x) + ROI), slice(2 * int(y), 2 * int(y) + ROI)))
    return squares[0], squares[1]


def neighbours_alike(residual: Floats, inside: NDArray[np.bool_]) -> float:
    """Correlation of a residual with itself one pixel further, mean of both axes, where there is signal."""
    found = []
    for axis in (0, 1):
        both = inside & np.roll(inside, -1, axis)
        found.append(float(np.corrcoef(residual[both], np.roll(residual, -1, axis)[both])[0, 1]))
    return float(np.mean(found))


def anatomy_in(residual: Floats, target: Floats, inside: NDArray[np.bool_]) -> float:
    """Correlation of a residual with the target's fine structure (its difference from the mean of 5 x 5 pixels)."""
    from scipy import ndimage

    fine = target - ndimage.uniform_filter(target, 5)
    return float(np.corrcoef(residual[inside], fine[inside])[0, 1])


def score(measured: Floats, target: Floats, found: Floats) -> dict[str, float | None]:
    """One slice against its target."""
    inside = target > FOREGROUND
    dark, bright = regions(target)
    noise = float(np.std(np.concatenate([(found - target)[square].ravel() for square in (dark, bright)])))
    residual = measured - found
    still = not residual.any()
    return {
        "psnr": psnr(target, found, data_range=1.0),
        "psnr_inside": psnr(target, found, inside, data_range=1.0),
        "ssim": ssim(target, found, data_range=1.0),
        "roi_snr": float(found[bright].mean()) / max(noise, 1e-9),
        "roi_cnr": float(found[bright].mean() - found[dark].mean()) / max(noise, 1e-9),
        "bias_inside": float((found - target)[inside].mean() / target[inside].mean()),
        "residual_alike": None if still else neighbours_alike(residual, inside),
        "residual_anatomy": None if still else anatomy_in(residual, target, inside),
    }


def run(n: int, plan: Plan, methods: Sequence[str], weights: Path | None) -> dict[str, Any]:
    """All methods on one slice, and the noise itself as if it had been found."""
    measured, target = held_out(n, plan)
    inside = target > FOREGROUND
    found = {name: score(measured, target, denoised(measured, name, weights)) for name in methods}
    noise = measured - target
    return {
        "n": n, "te_s": plan.te_s, "snr": plan.snr, "acceleration": plan.acceleration,
        "noise_alike": neighbours_alike(noise, inside), "noise_anatomy": anatomy_in(noise, target, inside),
        "methods": found,
    }  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing, keep the numbers after each slice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--weights", type=Path, help="of another network; the package's otherwise")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--slices", type=int, default=1000, help="at most")
    args = parser.parse_args(argv)
    rows: dict[str, Any] = json.loads(args.out.read_text("utf-8")) if args.out.exists() else {}
    for n, plan in list(plans())[: args.slices]:
        missing = [name for name in args.methods if name not in rows.get(str(n), {}).get("methods", {})]
        if not missing:
            continue
        row = run(n, plan, missing, args.weights)
        row["methods"] = rows.get(str(n), {}).get("methods", {}) | row["methods"]
        rows[str(n)] = row
        args.out.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
        print(n, plan.te_s, plan.snr, {name: round(s["psnr"], 2) for name, s in row["methods"].items()}, flush=True)


if __name__ == "__main__":
    main()
