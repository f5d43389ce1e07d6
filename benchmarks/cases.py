"""The whole command on simulated cases: T2 error and SSIM against truth, CPU time, peak memory.

A case is a folder ``NAME`` (raw BIDS, masks in ``derivatives/masks``) beside ``NAME_truth``; the default folder holds
those of the developers. ``--planes ax`` leaves the other stacks out. Truth is read by the scorer alone.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from fetalt2prep.sim.score import score_files

HERE = Path(__file__).parent
CASES = HERE.parent.parent / "shared" / "cases"


def copy_planes(case: Path, planes: Sequence[str], target: Path) -> Path:
    """The case with only the stacks of some planes (``acq-`` labels)."""
    kept = [f"acq-{plane}_" for plane in planes]

    def others(_: str, names: list[str]) -> list[str]:
        return [name for name in names if "acq-" in name and not any(key in name for key in kept)]

    return Path(shutil.copytree(case, target / case.name, ignore=others))


def run_case(
    case: Path, planes: Sequence[str], options: Sequence[str] = (), *, own_masks: bool = False
) -> dict[str, object]:
    """Run the app on one case, with the masks that are given or with its own, and score what it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        raw = copy_planes(case, planes, Path(folder) / "raw")
        out = Path(folder) / "out"
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, "-m", "bids_app", str(raw), str(out), "participant", "--device", "cpu", *options]
        command += ["-w", f"{folder}/work", *([] if own_masks else ["-d", f"masks={raw / 'derivatives' / 'masks'}"])]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after, seconds = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - began
        anat = next(out.glob("sub-*/ses-*/anat"))
        echoes = sorted(anat.glob("*_desc-recon_T2w.nii.gz"))
        scores = score_files(case.with_name(f"{case.name}_truth"), echoes, next(anat.glob("*_rec-inr_T2map.nii.gz")))
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "case": case.name,
        "planes": list(planes),
        "options": list(options),
        "cpu_s": round(cpu, 1),
        "wall_s": round(seconds, 1),
        "peak_mb": after.ru_maxrss // 1024,  # largest child so far: cases run from small to large
        "scores": scores,
    }


def row(result: dict[str, object]) -> str:
    """One line of the printed table."""
    scores = result["scores"]
    assert isinstance(scores, dict)
    ssim = "/".join(f"{value:.3f}" for value in scores["ssim"])
    mae = f"{scores['WM']['mae']:.1f} / {scores['GM']['mae']:.1f}"
    planes = "+".join(result["planes"])  # type: ignore[arg-type]
    spent = f"{result['cpu_s']} | {result['wall_s']} | {result['peak_mb']}"
    return f"| {result['case']} | {planes} | {mae} | {ssim} | {spent} |"


def main(argv: Sequence[str] | None = None) -> None:
    """Run, print a table, keep the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=Path, default=CASES)
    parser.add_argument("--names", nargs="+", default=["ga24", "ga29"])
    args = parser.parse_args(argv)
    print("| case | stacks | T2 MAE WM / GM (ms) | SSIM per TE | CPU (s) | wall (s) | peak (MB) |")
    print("|---|---|---|---|---|---|---|")
    results = []
    for name in args.names:
        for planes in (("ax",), ("ax", "cor", "sag")):
            results.append(run_case(args.cases / name, planes))
            print(row(results[-1]), flush=True)
            (HERE / "results" / "cases.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
