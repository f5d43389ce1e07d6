"""What blur alone costs: the true echoes smoothed, and scored as if they were a reconstruction.

The row with the error of a real reconstruction tells how fine it is in effect. ``python -m benchmarks.blurred_truth``:
the developers' cases, and number 1 of :mod:`benchmarks.fresh`. Nothing is reconstructed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from benchmarks.cases import CASES, HERE
from benchmarks.models import fresh_case
from benchmarks.stacks import truth_of
from fetalt2prep.itk.volume import Volume
from fetalt2prep.sim.score.evaluation import score
from fetalt2prep.sim.score.truth_files import read_truth
from fetalt2prep.sim.truth import Truth, loglinear_t2

RESULTS = HERE / "results" / "blurred_truth.json"
FWHM_MM = (0.8, 1.0, 1.3, 1.6, 2.0)
FWHM_SIGMAS = float(np.sqrt(8 * np.log(2)))


def blurred(truth: Truth, fwhm_mm: float) -> dict[str, object]:
    """Scores of the true echoes after a Gaussian, with T2 by the reference's own log-linear fit."""
    spacing_mm = np.linalg.norm(truth.affine[:3, :3], axis=0)
    echoes = np.stack([gaussian_filter(echo, fwhm_mm / FWHM_SIGMAS / spacing_mm) for echo in truth.echoes])
    t2 = Volume(loglinear_t2(echoes, truth.te_s), truth.affine)
    found = score(truth, [Volume(echo, truth.affine) for echo in echoes], t2)
    return {"fwhm_mm": fwhm_mm, "wm": found["WM"]["mae"], "gm": found["GM"]["mae"], "ssim": found["ssim"]}  # type: ignore[index]


def main(argv: Sequence[str] | None = None) -> None:
    """Score every width in every case, print a line each, keep the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=Path, default=CASES)
    parser.add_argument("--names", nargs="*", default=["ga24", "ga29"])
    parser.add_argument("--fresh", type=int, nargs="*", default=[1], help="numbers of fresh cases")
    parser.add_argument("--folder", type=Path, help="where fresh sessions are kept; a temporary folder otherwise")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folders = {name: args.cases / name for name in args.names}
        folders |= {f"fresh {number}": fresh_case(number, args.folder or Path(scratch)) for number in args.fresh}
        for name, case in folders.items():
            truth = read_truth(truth_of(case))
            for fwhm_mm in FWHM_MM:
                rows.append({"case": name} | blurred(truth, fwhm_mm))
                print(json.dumps(rows[-1]), flush=True)
    args.out.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
