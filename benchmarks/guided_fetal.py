"""Fewer stacks at the later echo times: does a guide bring what the joint reconstruction of the same stacks does not?

Three stacks at the first echo time and one (axial) at each other one, for cases of :mod:`benchmarks.cases`:

joint
    All five stacks together, as the app does it.
axial
    The three axial stacks alone: coarse maps, to which the other two stacks say nothing.
axial, guided
    Those maps, guided by the volume of the three stacks at the first echo time, reconstructed by themselves.
joint, guided
    The joint maps, guided by the same volume. ``by edges``: its edges alone; ``prior alone``: the same fit without a
    guide, which is what its prior does by itself.

Runs of the app are kept in ``--keep``, so that what is there is not computed again; nor are rows
that ``--out`` holds. Truth is read by the scorer alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import CASES, HERE
from fetalt2prep.core.guided.options import GuidedOptions
from fetalt2prep.core.signal import SpinEcho
from fetalt2prep.io.guided_files import refine_files
from fetalt2prep.io.guided_request import GuidedRequest, GuideFile
from fetalt2prep.io.sidecar import read_sidecar
from fetalt2prep.io.volume import read_volume, save_volume
from fetalt2prep.itk.resample import resample
from fetalt2prep.itk.volume import Volume
from fetalt2prep.sim.score import read_truth
from fetalt2prep.sim.score import read_volume as score_volume
from fetalt2prep.sim.score.registration import register
from fetalt2prep.sim.score.t2_scores import t2_scores

RESULTS = HERE / "results" / "guided_fetal.json"
FIRST = "_echo-1_"
SUBSETS: dict[str, Callable[[str], bool]] = {
    "joint": lambda name: "acq-ax_" in name or FIRST in name,
    "axial": lambda name: "acq-ax_" in name,
    "first": lambda name: FIRST in name,
}
GUIDED, BY_EDGES, PRIOR_ALONE = "guided", "guided by edges", "prior alone"
WAYS = [
    *(("joint", way) for way in ("", GUIDED, PRIOR_ALONE, BY_EDGES)),
    *(("axial", way) for way in ("", GUIDED)),
]  # fmt: skip


@dataclass(frozen=True)
class Run:
    """What the app stored for one subset of a case."""

    anat: Path

    def one(self, ending: str) -> Path:
        """The image with this ending."""
        return next(self.anat.glob(f"*_rec-inr_{ending}.nii.gz"))

    @property
    def echoes(self) -> list[Path]:
        """Reconstructed volumes by ascending echo time."""
        return sorted(self.anat.glob("*_echo-*_desc-recon_T2w.nii.gz"))


def run_subset(case: Path, subset: str, keep: Path) -> Run:
    """The app on some of a case's stacks; taken from ``keep`` when it is there."""
    raw, out = keep / case.name / subset / "raw", keep / case.name / subset / "out"
    if not list(out.glob("sub-*.html")):

        def others(_: str, names: list[str]) -> list[str]:
            return [name for name in names if "acq-" in name and not SUBSETS[subset](name)]

        shutil.rmtree(raw, ignore_errors=True)
        shutil.copytree(case, raw, ignore=others)
        command = [sys.executable, "-m", "bids_app", str(raw), str(out), "participant", "--device", "cpu"]
        command += ["-d", f"masks={raw / 'derivatives' / 'masks'}", "-w", f"{keep / case.name / subset / 'work'}"]
        command += ["--no-viewer", "--skip-bids-validation", *(["--recon-only"] if subset == "first" else [])]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return Run(next(out.glob("sub-*/ses-*/anat")))


def refined(maps: Run, guide: Path, folder: Path, options: GuidedOptions) -> tuple[Path, dict[str, Any]]:
    """T2 map after guidance, and the account of the guide."""
    request = GuidedRequest(
        t2map=maps.one("T2map"),
        s0map=maps.one("S0map"),
        mask=maps.one("desc-brain_mask"),
        te_s=tuple(read_sidecar(maps.one("T2map"))["EchoTime"]),
        guides=[GuideFile(path=guide, model=SpinEcho(te_s=read_sidecar(guide)["EchoTime"]))],
        options=options,
    )
    written = refine_files(request, folder)
    return written.t2map, written.account["guides"][0]


def nonsense(like: Path, folder: Path) -> Path:
    """A guide that shows nothing of the brain and is therefore not used: what is left is the prior."""
    values, affine, _ = read_volume(like)
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).uniform(0.1, 1.0, values.shape)
    path = save_volume(noise, affine, folder / "nonsense.nii.gz")
    path.with_name("nonsense.json").write_text(json.dumps(read_sidecar(like)))
    return path


class Scorer:
    """T2 errors of maps in the frame of one run, registered to the truth once, by their first echo."""

    def __init__(self, truth_dir: Path, run: Run) -> None:
        self._truth = read_truth(truth_dir)
        self._first = Volume(self._truth.echoes[0], self._truth.affine)
        self._transform = register(self._first, score_volume(run.echoes[0]), self._truth.mask)

    def __call__(self, t2map: Path) -> dict[str, Any]:
        """Mean absolute error, bias and median absolute error by tissue, ms."""
        assert self._truth.t2_s is not None
        moved = resample(score_volume(t2map), self._first, self._transform)
        scores: dict[str, Any] = t2_scores(self._truth.labels, self._truth.t2_s, moved)
        return {tissue: {key: scores[tissue][key] for key in ("mae", "bias", "medae")} for tissue in ("WM", "GM")}


def fill(case: Path, keep: Path, maps: Sequence[str], options: GuidedOptions, table: Table) -> None:
    """All configurations of one case that the table lacks, scored; the app runs when its maps are first needed."""
    runs, scorers = dict[str, Run](), dict[str, Scorer]()

    def run_of(subset: str) -> Run:
        if subset not in runs:
            runs[subset] = run_subset(case, subset, keep)
        return runs[subset]

    for subset, way in WAYS:
        what = f"{subset}, {way}" if way else subset
        if subset not in maps or table.has(case.name, what):
            continue
        run = run_of(subset)
        if subset not in scorers:
            scorers[subset] = Scorer(case.with_name(f"{case.name}_truth"), run)
        row: dict[str, Any] = {"case": case.name, "what": what}
        t2map = run.one("T2map")
        if way:
            guide = run_of("first").echoes[0]
            if way == PRIOR_ALONE:
                guide = nonsense(guide, keep / case.name / "nonsense")
            how = replace(options, use="edges") if way == BY_EDGES else options
            t2map, account = refined(run, guide, keep / case.name / what.replace(", ", "-").replace(" ", "-"), how)
            row |= {"guide": {key: account[key] for key in ("use", "why", "registration")}, "n_steps": how.n_steps}
        table.add(row | scorers[subset](t2map))


class Table:
    """Rows on disk, each written as soon as it is there; those that are there are not computed again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rows: list[dict[str, Any]] = json.loads(path.read_text("utf-8")) if path.is_file() else []

    def has(self, case: str, what: str) -> bool:
        """Whether a configuration is there."""
        return any((row["case"], row["what"]) == (case, what) for row in self.rows)

    def add(self, row: dict[str, Any]) -> None:
        """Print and keep a row."""
        self.rows.append(row)
        print(f"| {row['case']} | {row['what']} | {row['WM']['mae']:.1f} / {row['GM']['mae']:.1f} |", flush=True)
        self._path.write_text(json.dumps(self.rows, indent=1) + "\n")


def main(argv: Sequence[str] | None = None) -> None:
    """Run, print a table, keep the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, default=CASES)
    parser.add_argument("--names", nargs="+", default=["ga24", "ga29"])
    parser.add_argument("--maps", nargs="+", choices=("joint", "axial"), default=["joint", "axial"])
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--steps", type=int, default=GuidedOptions().n_steps)
    parser.add_argument("--keep", type=Path, required=True, help="folder for the runs of the app")
    args = parser.parse_args(argv)
    print("| case | what | T2 MAE WM / GM (ms) |")
    print("|---|---|---|")
    table = Table(args.out)
    for name in args.names:
        fill(args.cases / name, args.keep, args.maps, GuidedOptions(n_steps=args.steps), table)


if __name__ == "__main__":
    main()
