"""Undersampled Cartesian slices: zero filling, CG-SENSE, non-local means, and the network with several ties to k-space.

``python -m benchmarks.sense`` simulates scans (a fetal head and a chest; coils that share noise; maps from calibration
lines), reconstructs each as ``fetalt2 sense`` does, and keeps each row as soon as it is there, so that a run that was
stopped goes on (``--anew`` starts over). ``python -m benchmarks.sense_page`` puts the tables into docs/sense.md.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fetalt2prep.core import metrics
from fetalt2prep.core.coils import whitener
from fetalt2prep.core.denoise.nlm import denoise_nlm
from fetalt2prep.core.denoise.noise import estimate_noise_sigma
from fetalt2prep.core.fourier_op import ifft2c
from fetalt2prep.core.kt.frames import without_oversampling
from fetalt2prep.core.sense.consistency import DataConsistency
from fetalt2prep.core.sense.homodyne import Homodyne
from fetalt2prep.core.sense.learned import Learned, denoise_tied
from fetalt2prep.core.sense.noise_map import noise_amplification
from fetalt2prep.core.sense.recon import CartesianSlice, SensePlan, cg_sense_image, shading
from fetalt2prep.io.sense_network import load_learned
from fetalt2prep.sim.cartesian_scan import CartesianOptions, CartesianScan, simulate_cartesian

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "sense.json"
WEIGHTS = (0.05, 0.3, 1.0, 3.0, 10.0, math.inf)
CASES: dict[str, dict[str, Any]] = {
    "R 1, SNR 10": {"acceleration": 1, "snr": 10},
    "R 2, SNR 20": {"acceleration": 2, "snr": 20},
    "R 2, SNR 8": {"acceleration": 2, "snr": 8},
    "R 3, SNR 20": {"acceleration": 3, "snr": 20},
    "R 2, 0.7 of k-space, SNR 15": {"acceleration": 2, "snr": 15, "partial_fourier": 0.7},
    "R 2, chest, SNR 15": {"acceleration": 2, "snr": 15, "scene": "cine"},
}


def weight_name(weight: float) -> str:
    """Row of a weight of the network against the samples."""
    return "network alone" if math.isinf(weight) else f"network, weight {weight:g}"


METHODS = ("zero filling", "cg-sense", "cg-sense, nlm", *(weight_name(w) for w in WEIGHTS))


def scores(truth: NDArray[np.float32], image: NDArray[np.float32]) -> dict[str, float]:
    """PSNR and SSIM after one scale for the image, (y, x)."""
    found = image * metrics.best_scale(truth, image)
    peak = float(truth.max())
    return {
        "psnr_db": round(metrics.psnr(truth, found), 2),
        "ssim": round(metrics.ssim(truth, found, data_range=peak), 4),
    }


def measure(case: str, seed: int, learned: Learned) -> dict[str, dict[str, float]]:
    """Scores of every method for one scan, by the steps of :mod:`fetalt2prep.io.sense_scan`."""
    scan = simulate_cartesian(CartesianOptions(**CASES[case]), seed)
    truth = scan.truth[0].abs().numpy()
    raw, matrix = slice_of(scan), whitener(scan.noise)
    rows = {"zero filling": scores(truth, torch.linalg.vector_norm(ifft2c(raw.samples), dim=0).numpy())}
    piece = raw.whitened(matrix)
    maps, _ = piece.calibrate()
    shade, homodyne, plan = shading(maps, matrix).numpy(), Homodyne.of(piece.mask), SensePlan()
    image = cg_sense_image(piece, maps, plan)
    image = image if homodyne is None else homodyne(image)
    level = float(scan.noise.abs().square().mean() / 2) ** 0.5
    sigma = level * noise_amplification(piece.sense(maps), plan.ridge, homodyne=homodyne)
    rows["cg-sense"] = scores(truth, image.abs().numpy() * shade)
    stack = image.abs().numpy()[:, :, None]
    rows["cg-sense, nlm"] = scores(truth, denoise_nlm(stack, estimate_noise_sigma(stack))[:, :, 0] * shade)
    for weight in WEIGHTS:
        tie = None if math.isinf(weight) else DataConsistency(piece.sense(maps), piece.samples[None], weight)
        found = denoise_tied(learned.network, image, sigma, tie)
        rows[weight_name(weight)] = scores(truth, found.numpy() * shade)
    return rows


def slice_of(scan: CartesianScan) -> CartesianSlice:
    """The only slice of a scan on its grid."""
    n_y, n_x = scan.options.shape
    samples = torch.zeros(scan.options.n_coils, n_y, n_x, dtype=torch.complex64)
    samples[:, torch.from_numpy(scan.lines)] = without_oversampling(scan.samples[0], n_x)
    return CartesianSlice(samples, samples.abs().sum(0) > 0)


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is not there yet, keep each scan, print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--anew", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--weights", type=Path, help="of the network (default: the package's)")
    args = parser.parse_args(argv)
    learned = load_learned(args.weights)
    if learned is None:
        raise SystemExit("the package holds no weights of the network: name some with --weights.")
    rows: dict[str, Any] = {} if args.anew or not args.out.exists() else json.loads(args.out.read_text())
    for seed in args.seeds:
        for case in CASES:
            key = f"{case}/seed {seed}"
            if key not in rows:
                rows[key] = measure(case, seed, learned)
                print(key, json.dumps(rows[key]), flush=True)
                args.out.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
