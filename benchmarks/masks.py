"""Brain masks without a person: Dice against given masks, confidence and seconds, per stack, for both methods.

``python -m benchmarks.masks [--keep]``. Real HASTE stacks with hand-drawn masks, simulated cases at every echo time,
and echo-planar stacks without any mask, of which only volume and confidence are told. None of them was used in
training. ``--pictures DIR`` draws contact sheets; ``--weights FILE`` measures other weights than the package's.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.cases import CASES, HERE
from benchmarks.left_out import DATA
from fetalt2prep.core.mask.classical import find_brain
from fetalt2prep.core.mask.guess import BrainGuess
from fetalt2prep.core.mask.learned import find_brain_learned
from fetalt2prep.io.mask_model import load_mask_model

EPI = DATA.with_name("fetal-epi")
RESULTS = HERE / "results" / "masks.json"
Find = Callable[[NDArray[np.float32], NDArray[np.float64]], BrainGuess]


def stacks() -> Iterator[tuple[str, Path, Path | None]]:
    """Kind, image, and mask where there is one."""
    for image in sorted(DATA.glob("*_T2w.nii.gz")):
        yield "haste", image, image.with_name(image.name.replace("_T2w.nii.gz", "_T2w_desc-brain_mask.nii.gz"))
    for case in ("ga24", "ga29"):
        for image in sorted((CASES / case).glob("sub-*/ses-*/anat/*_T2w.nii.gz")):
            below = image.relative_to(CASES / case)
            mask = CASES / case / "derivatives" / "masks" / below
            yield "simulated", image, mask.with_name(below.name.replace("_T2w.nii.gz", "_desc-brain_mask.nii.gz"))
    for image in sorted(EPI.glob("*.nii.gz")):
        yield "epi", image, None


def measure(find: Find, image: Path, mask: Path | None) -> tuple[dict[str, Any], NDArray[np.bool_]]:
    """One stack, one method."""
    source = nib.Nifti1Image.from_filename(image)
    pixels = source.get_fdata(dtype=np.float32)
    began, cpu = time.perf_counter(), time.process_time()
    try:
        guess = find(pixels, source.affine)
    except ValueError as error:
        guess = BrainGuess(mask=np.zeros(pixels.shape, np.bool_), confidence=0.0, reasons=(str(error),))
    found: dict[str, Any] = {
        "seconds": round(time.perf_counter() - began, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "volume_ml": round(float(guess.mask.sum()) * abs(np.linalg.det(source.affine[:3, :3])) / 1000, 1),
        "confidence": guess.confidence,
        "reasons": list(guess.reasons),
    }
    if mask is not None:
        truth = nib.Nifti1Image.from_filename(mask).get_fdata() > 0
        found["dice"] = round(float(2 * (guess.mask & truth).sum() / (guess.mask.sum() + truth.sum())), 4)
    return found, guess.mask


def draw(image: Path, mask: Path | None, found: NDArray[np.bool_], title: str, out: Path) -> None:
    """A sheet of slices: what was found in red, what was given in green."""
    import matplotlib.pyplot as plt

    pixels = nib.Nifti1Image.from_filename(image).get_fdata(dtype=np.float32)
    truth = None if mask is None else nib.Nifti1Image.from_filename(mask).get_fdata() > 0
    n = pixels.shape[2]
    figure, axes = plt.subplots(-(-n // 8), 8, figsize=(16, 2.1 * -(-n // 8)), squeeze=False)
    for k, axis in enumerate(axes.flat):
        axis.axis("off")
        if k >= n:
            continue
        axis.imshow(pixels[:, :, k].T, cmap="gray", vmin=0, vmax=float(np.percentile(pixels, 99)))
        for region, colour in ((found, "r"), (truth, "lime")):
            if region is not None and region[:, :, k].any():
                axis.contour(region[:, :, k].T, [0.5], colors=colour, linewidths=0.7)
    figure.suptitle(title, fontsize=8)
    figure.tight_layout(pad=0.2)
    out.mkdir(parents=True, exist_ok=True)
    figure.savefig(out / f"{image.name.split('.')[0]}.png", dpi=60)
    plt.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print a table, keep the numbers if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--kinds", nargs="+", default=["haste", "simulated", "epi"])
    parser.add_argument("--methods", nargs="+", default=["network", "classical"])
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args(argv)
    model = load_mask_model(args.weights)
    methods: dict[str, Find] = {
        "network": lambda pixels, affine: find_brain_learned(pixels, affine, model),
        "classical": find_brain,
    }
    rows: list[dict[str, Any]] = []
    print("| stack | method | Dice | confidence | volume (mL) | wall / CPU (s) |\n|---|---|---|---|---|---|")
    for kind, image, mask in stacks():
        if kind not in args.kinds:
            continue
        for method in args.methods:
            found, region = measure(methods[method], image, mask)
            rows.append({"kind": kind, "stack": image.name.split(".")[0], "method": method, **found})
            r = rows[-1]
            print(
                f"| {r['stack']} | {method} | {r.get('dice', '')} | {r['confidence']} | {r['volume_ml']} | "
                f"{r['seconds']} / {r['cpu_seconds']} |",
                flush=True,
            )
            if args.pictures and method == "network":
                draw(image, mask, region, f"{r['stack']}: {found}", args.pictures)
    if args.keep:
        RESULTS.write_text(json.dumps({"n_threads": torch.get_num_threads(), "stacks": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
