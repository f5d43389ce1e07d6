"""``python -m benchmarks.denoise_page``: put the kept results of the network that denoises into docs/unet.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks import denoise_checks, denoise_left_out, denoise_network, denoise_plain, denoise_real
from benchmarks.cases import HERE
from benchmarks.t2_page import fill, table

PAGE = HERE.parent / "docs" / "unet.md"
WORDS = {"te_s": "echo time (s)", "snr": "SNR", "acceleration": "acceleration"}
PUBLISHED = {
    "sequence t2": "T2 TSE sagittal: 38.09, 41.02, 41.10; axial: 35.56, 40.19, 40.59",
    "sequence t1": "T1 IR-TSE: 36.27, 42.76, 43.08",
    "sequence flair": "FLAIR: 35.75, 42.33, 42.75",
    "part spine": "neck: 34.50, 37.25, 37.22",
    "part abdomen": "abdomen: 37.35, 37.66, 37.75",
    "part pelvis": "pelvis: 35.67, 37.50, 37.54",
    "part knee": "knee: 37.97, 39.59, 40.34",
}
"""PSNR of input, left-out and same in the paper's Tables 3 and 4."""
Rows = Mapping[str, Any]


def _mean(rows: Sequence[Any], method: str, name: str) -> float:
    return float(np.mean([row["methods"][method][name] for row in rows]))


def _gain(rows: Sequence[Any], method: str) -> list[float]:
    return [row["methods"][method]["psnr"] - row["methods"]["none"]["psnr"] for row in rows]


def methods(rows: Rows) -> str:
    """One line per method: means over all slices that every method has."""
    names = denoise_network.METHODS
    whole = [row for row in rows.values() if set(names) <= set(row["methods"])]
    lines = []
    for name in names:
        gains = _gain(whole, name)
        alike, anatomy = (
            [row["methods"][name][key] for row in whole if row["methods"][name][key] is not None]
            for key in ("residual_alike", "residual_anatomy")
        )
        lines.append([
            f"`{name}`", f"{len(whole)}", f"{_mean(whole, name, 'psnr'):.2f}", f"{np.mean(gains):+.2f}",
            f"{min(gains):+.2f}", f"{_mean(whole, name, 'ssim'):.3f}",
            f"{np.median([r['methods'][name]['roi_snr'] for r in whole]):.0f}",
            f"{np.median([r['methods'][name]['roi_cnr'] for r in whole]):.0f}",
            f"{100 * _mean(whole, name, 'bias_inside'):+.1f} %",
            f"{np.mean(alike):.2f}" if alike else "", f"{np.mean(anatomy):.2f}" if anatomy else "",
        ])  # fmt: skip
    noise = [float(np.mean([row[key] for row in whole])) for key in ("noise_alike", "noise_anatomy")]
    lines.append(["the noise itself", *[""] * 8, *(f"{v:.2f}" for v in noise)])
    head = ["method", "slices", "PSNR (dB)", "gain", "least gain", "SSIM", "ROI SNR", "ROI CNR", "bias inside",
            "residual: neighbours", "residual: anatomy"]  # fmt: skip
    return table(head, lines)


def conditions(rows: Rows) -> str:
    """Gain of the network and of non-local means at every echo time, ratio and acceleration."""
    whole = [row for row in rows.values() if {"none", "nlm", "unet"} <= set(row["methods"])]
    lines = []
    for key, words in WORDS.items():
        for value in sorted({row[key] for row in whole}):
            chosen = [row for row in whole if row[key] == value]
            ours, nlm = _gain(chosen, "unet"), _gain(chosen, "nlm")
            cells = [f"{np.mean(ours):+.2f}", f"{min(ours):+.2f}", f"{np.mean(nlm):+.2f}"]
            lines.append([f"{words} {value:g}", f"{len(chosen)}", *cells])
    return table(["", "slices", "`unet`: gain (dB)", "least", "`nlm`: gain (dB)"], lines)


def lesions(rows: Rows) -> str:
    """How much of a lesion is seen."""
    kinds = [key.split(" ", 2)[2] for key in rows if key.startswith("lesion none")]
    lines = []
    for method in denoise_checks.METHODS:
        found = [rows.get(f"lesion {method} {kind}") for kind in kinds]
        cells = [f"{np.mean(v):.2f} ({min(v):.2f})" if v else "" for v in found]
        lines.append([f"`{method}`", *cells])
    return table(["method", *(f"{kind.split()[0]} of the signal, {kind.split()[1]}" for kind in kinds)], lines)


def exponentials(rows: Rows) -> str:
    """T2 of denoised exponentials against that of the ideal images."""
    lines = []
    for key, found in rows.items():
        kind, method, *where = key.split()
        if kind == "t2":
            off = [f"{100 * (row['t2_s'] / row['ideal_s'] - 1):+.1f} %" for row in found]
            lines.append([f"`{method}`", " ".join(where).replace("snr", "SNR "), *off])
    return table(["method", "", *(f"{1000 * t:g} ms" for t in denoise_checks.T2_S)], lines)


def floor(rows: Rows) -> str:
    """How far the means of dark flat regions are from their signal, in units of the noise."""
    lines = [
        [f"`{method}`", noise, *(f"{row['off']:+.2f}" for row in rows[f"floor {method} {noise}"])]
        for noise in denoise_checks.NOISES
        for method in denoise_checks.METHODS
        if f"floor {method} {noise}" in rows
    ]
    return table(["method", "noise", *(f"{level:g}" for level in denoise_checks.LEVELS)], lines)


def real(rows: Rows) -> str:
    """Noise and residuals of real stacks."""
    lines = []
    for key, row in rows.items():
        _, run, method = key.split()
        lines.append([
            run, f"`{method}`", f"{row['noise_before']:.1f}", f"{row['noise_after']:.1f}",
            f"{100 * (row['mean_ratio'] - 1):+.2f} %", f"{row['taken_over_noise']:.2f}", f"{row['residual_alike']:.2f}",
            f"{row['residual_anatomy']:.2f}", f"{100 * row['fine_share']:.1f} %", f"{row['cpu_s']:.1f}",
            f"{row['whole_stack_cpu_s']:.1f}" if "whole_stack_cpu_s" in row else "",
        ])  # fmt: skip
    head = ["run", "method", "noise", "after", "change of the mean", "residual over noise", "residual: neighbours",
            "residual: fine structure", "share of it", "CPU (s)", "whole stack"]  # fmt: skip
    return table(head, lines)


def left_out(rows: Rows) -> str:
    """Models trained on the others, and on the same: means over the seeds, and what each of them lost."""
    lines = []
    for name in denoise_left_out.SETS:
        pairs = _others_and_same(rows, name)
        if pairs:
            others, same = (
                {key: float(np.mean([row[key] for row in kind])) for key in ("psnr_in", "ssim_in", "psnr", "ssim")}
                for kind in zip(*pairs, strict=True)
            )
            lost = [pair[1]["psnr"] - pair[0]["psnr"] for pair in pairs]
            lines.append([
                name, f"{others['ssim_in']:.3f} / {others['psnr_in']:.2f}",
                *(f"{mean['ssim']:.3f} / {mean['psnr']:.2f}" for mean in (others, same)), f"{np.mean(lost):+.2f}",
                ", ".join(f"{value:+.2f}" for value in lost), "{steps}, {scenes}".format(**pairs[0][0]),
                PUBLISHED.get(name, ""),
            ])  # fmt: skip
    head = ["", "input: SSIM / PSNR", "trained on the others", "trained on the same", "lost (dB)", "by each seed",
            "steps, scenes", "paper, PSNR: input, left-out, same"]  # fmt: skip
    return table(head, lines)


def _others_and_same(rows: Rows, name: str) -> list[tuple[Rows, Rows]]:
    """Rows of every seed that has both networks of the longest schedule of the set."""
    longest = max((row["steps"] for key, row in rows.items() if key.startswith(f"{name}:")), default=0)
    found = []
    for seed in sorted({row["seed"] for row in rows.values()}):
        others, same = (rows.get(denoise_left_out.key_of(name, label, seed)) for label in ("others", "same"))
        if others and same and others["steps"] == same["steps"] == longest:
            found.append((others, same))
    return found


def plain(rows: Rows) -> str:
    """The U-Net, its cascade and DnCNN after the same steps, or as many seconds."""
    names = {"dncnn": "DnCNN", "unet": "U-Net, one stage", "cascade": "cascade of two"}
    lines = [
        [
            names[row["network"]], f"{row['n_weights'] / 1e6:.2f} million", f"{row['steps']}",
            f"{row['learning_rate']:g}", f"{row['train_cpu_s']:.0f}", f"{row['gain_db_mean']:+.2f}",
            f"{row['gain_db_least']:+.2f}", f"{row['gain_db_mean_almost_without_noise']:+.2f}", f"{row['ssim']:.3f}",
            f"{row['slice_cpu_s']:.2f}",
        ]
        for row in rows.values()
    ]  # fmt: skip
    head = ["", "weights", "steps", "rate", "training (CPU s)", "gain (dB)", "least", "gain, hardly any noise", "SSIM",
            "slice of 320 x 320 (CPU s)"]  # fmt: skip
    return table(head, lines)


def main() -> None:
    """Rewrite the blocks of the page from the results there are."""
    makers: list[tuple[Any, list[Callable[[Rows], str]]]] = [
        (denoise_network.RESULTS, [methods, conditions]),
        (denoise_checks.RESULTS, [lesions, exponentials, floor]),
        (denoise_real.RESULTS, [real]),
        (denoise_left_out.RESULTS, [left_out]),
        (denoise_plain.RESULTS, [plain]),
    ]
    for path, blocks in makers:
        if path.exists():
            results = json.loads(path.read_text("utf-8"))
            fill(PAGE, {make.__name__: make(results) for make in blocks})


if __name__ == "__main__":
    main()
