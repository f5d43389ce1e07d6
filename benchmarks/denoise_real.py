"""Real slices, which have no truth: how much noise goes, what is taken away, and how long a whole stack takes.

``python -m benchmarks.denoise_real``: three HASTE stacks of one uterus (``fetal-haste-mialsrtk`` of the shared data
beside the checkout, CC0), each denoised in its hand-drawn brain mask, and once without a mask for the time. Writes the
numbers, and the picture docs/img/denoise_haste.png to be looked at; ``python -m benchmarks.denoise_page`` makes the
table.
"""

from __future__ import annotations

import json
import time
from typing import Any

import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from benchmarks.cases import HERE
from benchmarks.denoise_network import neighbours_alike
from benchmarks.left_out import DATA
from fetalt2prep.core.denoise.noise import estimate_noise_sigma
from fetalt2prep.io.denoiser import denoise_stack

RESULTS = HERE / "results" / "denoise_real.json"
PICTURE = HERE.parent / "docs" / "img" / "denoise_haste.png"
RUNS = (1, 3, 5)
METHODS = ("nlm", "nlm-rician", "unet")
SHOWN = ("nlm", "unet")
LEAST_PIXELS = 400  # of a mask in a slice whose residual is judged
AROUND = 14  # pixels around the mask in the picture
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


def read_run(run: int) -> tuple[Floats, Mask]:
    """Pixels and brain mask of a stack, (x, y, slice)."""
    stem = DATA / f"sub-01_run-{run}_T2w"
    mask = nib.load(f"{stem}_desc-brain_mask.nii.gz").get_fdata() > 0
    return nib.load(f"{stem}.nii.gz").get_fdata(dtype=np.float32), mask


def judged(pixels: Floats, found: Floats, mask: Mask) -> dict[str, float]:
    """Noise before and after, and what the residual looks like inside the mask.

    For want of a truth the residual is held against the fine structure of what is left (its difference from the mean
    of 5 x 5 pixels): their correlation, and the share of that structure that the residual holds (slope of the one on
    the other).
    """
    before, after = (estimate_noise_sigma(x, mask) for x in (pixels, found))
    taken, fine = pixels - found, found - ndimage.uniform_filter(found, (5, 5, 1))
    slices = np.flatnonzero(mask.sum((0, 1)) >= LEAST_PIXELS)
    alike = [neighbours_alike(taken[:, :, k], mask[:, :, k]) for k in slices]
    inside = [(taken[:, :, k][mask[:, :, k]], fine[:, :, k][mask[:, :, k]]) for k in slices]
    anatomy = [float(np.corrcoef(one, other)[0, 1]) for one, other in inside]
    shares = [float((one * other).sum() / (other * other).sum()) for one, other in inside]
    return {
        "noise_before": before, "noise_after": after, "mean_ratio": float(found[mask].mean() / pixels[mask].mean()),
        "taken_over_noise": float(taken[mask].std()) / before, "residual_alike": float(np.mean(alike)),
        "residual_anatomy": float(np.mean(anatomy)), "fine_share": float(np.mean(shares)),
    }  # fmt: skip


def draw(stacks: dict[int, dict[str, Floats]], masks: dict[int, Mask], noise: dict[int, float]) -> None:
    """The largest slice of each stack: as measured, denoised, what was taken away (white: three times the noise)."""
    titles = ["as measured", *(title for name in SHOWN for title in (name, f"taken away by {name}"))]
    figure, axes = plt.subplots(len(stacks), len(titles), figsize=(12.0, 7.6), layout="constrained")
    for line, (run, images) in zip(axes, stacks.items(), strict=True):
        k = int(np.argmax(masks[run].sum((0, 1))))
        sides = [np.flatnonzero(masks[run][:, :, k].any(axis)) for axis in (1, 0)]
        x, y = (slice(max(0, int(found[0]) - AROUND), int(found[-1]) + AROUND) for found in sides)
        planes = {name: image[x, y, k] for name, image in images.items()}
        bright = float(np.percentile(planes["none"], 99.5))
        cells = [(planes["none"], 0.0, bright)]
        for name in SHOWN:
            far = 3 * noise[run]
            cells += [(planes[name], 0.0, bright), (planes["none"] - planes[name], -far, far)]
        for axis, (plane, low, high) in zip(line, cells, strict=True):
            axis.imshow(plane.T, origin="lower", cmap="gray", vmin=low, vmax=high)
            axis.set(xticks=[], yticks=[])
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=10)
    figure.savefig(PICTURE, dpi=80)
    plt.close(figure)
    with Image.open(PICTURE) as picture:
        grey = picture.convert("L")
    grey.save(PICTURE, optimize=True)


def main() -> None:
    """Measure and draw everything anew: half a minute."""
    torch.set_num_threads(1)
    rows: dict[str, Any] = {}
    stacks: dict[int, dict[str, Floats]] = {}
    masks: dict[int, Mask] = {}
    noise: dict[int, float] = {}
    for run in RUNS:
        pixels, masks[run] = read_run(run)
        noise[run] = estimate_noise_sigma(pixels, masks[run])
        stacks[run] = {"none": pixels}
        for name in METHODS:
            began = time.process_time()
            found = denoise_stack(name, pixels, noise[run], masks[run])
            seconds = time.process_time() - began
            stacks[run][name] = found.pixels
            rows[f"run {run} {name}"] = judged(pixels, found.pixels, masks[run]) | {
                "note": found.note, "cpu_s": round(seconds, 2),
            }  # fmt: skip
        began = time.process_time()
        denoise_stack("unet", pixels, noise[run], None)
        rows[f"run {run} unet"]["whole_stack_cpu_s"] = round(time.process_time() - began, 2)
        print(run, json.dumps({name: rows[f"run {run} {name}"] for name in METHODS}), flush=True)
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    draw(stacks, masks, noise)


if __name__ == "__main__":
    main()
