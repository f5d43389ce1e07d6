"""``python -m benchmarks.picture TRUTH DERIVATIVES/sub-X OUT.png``: a T2 map above the truth, and their difference."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from fetalt2prep.itk.resample import resample
from fetalt2prep.itk.volume import Volume
from fetalt2prep.sim.score.recon_files import find_recon, read_echoes, read_t2map
from fetalt2prep.sim.score.registration import register
from fetalt2prep.sim.score.truth_files import read_truth

HIGH_MS, ERROR_MS = 600.0, 150.0
INK = "#e8e8e8"


def draw(truth_dir: Path, recon_dir: Path, out: Path) -> None:
    """Three planes through the middle of the brain, T2 in ms, on the truth's grid."""
    truth, files = read_truth(truth_dir), find_recon(recon_dir)
    if truth.t2_s is None or files.t2map is None:
        raise ValueError(f"{truth_dir} and {recon_dir}: a T2 map is needed on both sides.")
    first = Volume(truth.echoes[0], truth.affine)
    transform = register(first, read_echoes(files, truth.te_s)[0], truth.mask)
    found_ms = np.where(truth.mask, 1e3 * resample(read_t2map(files.t2map), first, transform), np.nan)
    true_ms = np.where(truth.mask, 1e3 * truth.t2_s, np.nan)
    rows = {
        "fetalt2prep": (found_ms, "viridis", (0.0, HIGH_MS), "T2 (ms)"),
        "truth": (true_ms, "viridis", (0.0, HIGH_MS), "T2 (ms)"),
        "difference": (found_ms - true_ms, "RdBu_r", (-ERROR_MS, ERROR_MS), "error (ms)"),
    }
    x, y, z = np.argwhere(truth.mask).mean(0).astype(int)
    shape = truth.mask.shape
    figure, axes = plt.subplots(
        3, 3, figsize=(9.0, 8.0), width_ratios=(shape[0], shape[0], shape[1]), layout="constrained", facecolor="black"
    )
    for line, (name, (values, colours, limits, unit)) in zip(axes, rows.items(), strict=True):
        planes = (values[:, :, z], values[:, y], values[x + shape[0] // 20])
        for axis, plane in zip(line, planes, strict=True):
            picture = axis.imshow(plane.T, origin="lower", cmap=colours, vmin=limits[0], vmax=limits[1])
            axis.set(xticks=[], yticks=[], facecolor="black")
        line[0].set_ylabel(name, color=INK)
        bar = figure.colorbar(picture, ax=line, extend="max" if limits[0] == 0 else "both", pad=0.01)
        bar.set_label(unit, color=INK)
        bar.ax.tick_params(colors=INK)
    figure.savefig(out, dpi=100, facecolor="black")
    plt.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    """Draw one picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("truth", type=Path)
    parser.add_argument("recon", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args(argv)
    draw(args.truth, args.recon, args.out)


if __name__ == "__main__":
    main()
