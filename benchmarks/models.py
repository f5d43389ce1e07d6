"""The models side by side (sc, mc, mcreg, decay) at three, two and one stack per echo time, without the app."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.cases import CASES, HERE
from fetalt2prep.core.recon.joint import reconstruct
from fetalt2prep.core.recon.options import MODELS, ReconOptions
from fetalt2prep.core.recon.result import Recon
from fetalt2prep.core.stack import Stack
from fetalt2prep.core.t2.weighted_loglinear import fit_weighted_loglinear
from fetalt2prep.io.sidecar import echo_time_s, read_sidecar, slice_times_s
from fetalt2prep.io.stack import load_stack
from fetalt2prep.io.volume import save_volume
from fetalt2prep.sim.score import score_files

PLANES = (("ax", "cor", "sag"), ("ax", "cor"), ("ax",))


def read_stacks(case: Path, planes: Sequence[str]) -> list[Stack]:
    """Stacks of a case in some planes, with their masks."""
    stacks = []
    for image in sorted(case.glob("sub-*/ses-*/anat/*_T2w.nii.gz")):
        if not any(f"acq-{plane}_" in image.name for plane in planes):
            continue
        stem = image.name.removesuffix("_T2w.nii.gz")
        mask = next((case / "derivatives" / "masks").rglob(f"{stem}_desc-brain_mask.nii.gz"))
        meta = read_sidecar(image)
        stack, _ = load_stack(image, mask, te_s=echo_time_s(meta, image.name), thickness_mm=meta["SliceThickness"])
        times = slice_times_s(meta, stack.n_slices, image.name)
        stacks.append(Stack(**{**vars(stack), "slice_times_s": times}))
    return stacks


def score_recon(recon: Recon, truth: Path) -> dict[str, object]:
    """Fit T2 to reconstructed echoes and score both against a truth."""
    fit = fit_weighted_loglinear(
        torch.from_numpy(recon.echoes), torch.from_numpy(recon.te_s), stderr=torch.from_numpy(recon.echo_stderr)
    )
    with tempfile.TemporaryDirectory() as folder:
        files = [save_volume(e, recon.affine, Path(folder) / f"echo-{i}.nii.gz") for i, e in enumerate(recon.echoes)]
        return score_files(truth, files, save_volume(fit.t2_s.numpy(), recon.affine, Path(folder) / "t2.nii.gz"))


def score_model(case: Path, planes: Sequence[str], options: ReconOptions) -> dict[str, object]:
    """Reconstruct with one model and score it."""
    scores = score_recon(reconstruct(read_stacks(case, planes), options), case.with_name(f"{case.name}_truth"))
    return {"case": case.name, "planes": list(planes), "options": asdict(options), "scores": scores}


def main(argv: Sequence[str] | None = None) -> None:
    """Run, print a table, keep the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=Path, default=CASES)
    parser.add_argument("--names", nargs="+", default=["ga24", "ga29"])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--stacks", type=int, nargs="+", choices=(1, 2, 3), default=(3, 2, 1), help="per echo time")
    args = parser.parse_args(argv)
    print("| case | stacks per TE | model | T2 MAE WM / GM (ms) | SSIM per TE |")
    print("|---|---|---|---|---|")
    results = []
    for name in args.names:
        for planes in (chosen for chosen in PLANES if len(chosen) in args.stacks):
            for model in args.models:
                result = score_model(args.cases / name, planes, ReconOptions(model=model))
                results.append(result)
                scores = result["scores"]
                ssim = "/".join(f"{value:.3f}" for value in scores["ssim"])  # type: ignore[index]
                mae = f"{scores['WM']['mae']:.1f} / {scores['GM']['mae']:.1f}"  # type: ignore[index]
                print(f"| {name} | {len(planes)} | {model} | {mae} | {ssim} |", flush=True)
                (HERE / "results" / "models.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
