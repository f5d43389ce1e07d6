"""Ten simulated sessions that nothing was tuned on: estimated against true poses, and the models side by side.

From mild to severe motion (the preset amplitudes, scale 1), voids in 15 % of the slices. The truth is read for scoring,
and its slice transforms only where a row says ``true poses``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.cases import HERE
from benchmarks.scores import score_recon
from benchmarks.stacks import PLANES, read_stacks, truth_of
from fetalt2prep.core.geometry import Rigid, best_rigid
from fetalt2prep.core.recon.joint import reconstruct
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.core.recon.result import Recon
from fetalt2prep.core.stack import Stack
from fetalt2prep.sim import CaseOptions, simulate_case, write_case
from fetalt2prep.sim.score.truth_files import read_transforms, stack_name, truth_slice_table

MOTIONS = ("mild", "moderate", "severe")
AGES_WEEKS = (22, 24, 26, 28, 30)
IN_PLANE_MM = (1.2, 1.48)
PROTOCOLS = ((0.55, (0.300, 0.397, 0.600)), (1.5, (0.120, 0.220, 0.400)))


def options_of(number: int) -> CaseOptions:
    """The case of a number: motions, ages, pixels and protocols take turns."""
    field_t, te_s = PROTOCOLS[number // 2 % 2]
    return CaseOptions(
        gestational_age_weeks=float(AGES_WEEKS[number % len(AGES_WEEKS)]),
        ventricle_scale=0.6,
        age_dependent_tissue=True,
        field_t=field_t,
        te_s=te_s,
        in_plane_mm=IN_PLANE_MM[number % 2],
        thickness_mm=4.5,
        spacing_mm=4.5,
        motion=MOTIONS[number % len(MOTIONS)],
        void_probability=0.15,
    )


def true_poses(stacks: Sequence[Stack], truth: Path) -> Rigid:
    """Pose of every slice of every stack, as simulated."""
    table = truth_slice_table(truth)
    assert table is not None
    known = read_transforms(table)
    matrices = [known[stack_name(stack.name), k] for stack in stacks for k in range(stack.n_slices)]
    matrix = torch.as_tensor(np.stack(matrices), dtype=torch.float32)[:, :3]
    return Rigid(matrix[:, :, :3].contiguous(), matrix[:, :, 3].contiguous(), torch.zeros(len(matrix), 3))


def slice_error_mm(recon: Recon, stacks: Sequence[Stack], truth: Path) -> float:
    """Mean target-registration error over slices that keep weight, after one rigid fit of all of them."""
    true, at = true_poses(stacks, truth), 0
    here, there = [], []
    weight, table = np.asarray(recon.slices["weight"], float), recon.slices
    for stack in stacks:
        for k in range(stack.n_slices):
            voxel = np.argwhere(stack.mask[:, :, k])
            if len(voxel) and weight[at] > 0.3:
                index = np.column_stack((voxel, np.full(len(voxel), k)))
                points = torch.as_tensor(index @ stack.affine[:3, :3].T + stack.affine[:3, 3], dtype=torch.float32)
                rows = [[float(np.asarray(table[f"m{i}{j}"])[at]) for j in range(4)] for i in range(3)]
                pose = torch.tensor(rows)
                here.append(points @ pose[:, :3].T + pose[:, 3])
                there.append(true.move(points, torch.full((len(points),), at)))
            at += 1
    rotation, shift = best_rigid(torch.cat(here), torch.cat(there))
    errors = [(one @ rotation.T + shift - other).norm(dim=1).mean() for one, other in zip(here, there, strict=True)]
    return float(torch.stack(errors).mean())


def run(case: Path, planes: Sequence[str], options: ReconOptions, known: bool) -> dict[str, object]:
    """Reconstruct and score one way."""
    truth = truth_of(case)
    stacks = read_stacks(case, planes)
    began = time.process_time()
    recon = reconstruct(stacks, options, poses=true_poses(stacks, truth) if known else None)
    seconds = time.process_time() - began
    scores = score_recon(recon, truth)
    return {
        "model": options.model,
        "stacks": len(planes),
        "poses": "true" if known else "estimated",
        "wm": scores["WM"]["mae"],  # type: ignore[index]
        "gm": scores["GM"]["mae"],  # type: ignore[index]
        "ssim": scores["ssim"],
        "misfit": recon.info["echo_misfit"],
        "slice_error_mm": None if known else round(slice_error_mm(recon, stacks, truth), 3),
        "cpu_s": round(seconds, 1),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Simulate, run, print a line a run, keep the numbers after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, nargs="+", default=list(range(10)), help="numbers of cases")
    parser.add_argument("--models", nargs="+", default=["decay"])
    parser.add_argument("--stacks", type=int, nargs="+", default=[3], choices=(1, 2, 3))
    parser.add_argument("--known", action="store_true", help="with the true poses too")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "fresh.json")
    parser.add_argument("--folder", type=Path, help="where the sessions are kept; a temporary folder otherwise")
    args = parser.parse_args(argv)
    rows = json.loads(args.out.read_text("utf-8")) if args.out.exists() else []
    with tempfile.TemporaryDirectory() as scratch:
        for number in args.cases:
            options, case = options_of(number), (args.folder or Path(scratch)) / f"case-{number}"
            if not case.exists():
                write_case(simulate_case(options, seed=100 + number), case)
            for model in args.models:
                for planes in (p for p in PLANES if len(p) in args.stacks):
                    for known in (False, True) if args.known else (False,):
                        row = {"case": number, "motion": options.motion} | run(
                            case, planes, ReconOptions(model=model), known
                        )
                        print(json.dumps(row), flush=True)
                        rows.append(row)
                        args.out.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
