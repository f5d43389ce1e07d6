"""Denoisers and bias correction ranked by the T2 error of the whole way, not by how the stacks look: library, no app.

``python -m benchmarks.denoisers``. Cases: ten of :mod:`benchmarks.fresh` with numbers of their own, and on request one
of them with twice the noise and the two of the developers; three stacks per echo time, on a lattice of 1.2 mm (a third
of the default's time). Each stack is denoised with its own noise estimate in its own mask and then divided by the coil
field, as the app does it. The truth is read by the scorer alone. Rows that are in the results already are not run
again; ``python -m benchmarks.denoisers_page`` puts them into docs/denoising.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from benchmarks.cases import CASES, HERE
from benchmarks.fresh import options_of
from benchmarks.scores import score_recon
from benchmarks.stacks import PLANES, read_stacks
from fetalt2prep.core.bias.estimate import estimate_field
from fetalt2prep.core.bias.field import unbiased
from fetalt2prep.core.bias.options import BIASES
from fetalt2prep.core.denoise.noise import estimate_noise_sigma
from fetalt2prep.core.denoise.options import DENOISERS
from fetalt2prep.core.recon.joint import reconstruct
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.core.stack import Stack
from fetalt2prep.interfaces.n4 import n4_log_field
from fetalt2prep.io.denoiser import denoise_stack
from fetalt2prep.sim import CaseOptions, simulate_case, write_case
from fetalt2prep.sim.score.truth_files import find_truth

TEN = {f"fresh{number}": options_of(number) for number in range(20, 30)}
FRESH = TEN | {"fresh21-snr12": replace(options_of(21), snr=12.0)}
"""Simulated here; the seed is 100 and the number."""
RESULTS = HERE / "results" / "denoisers.json"
KEY = ("case", "stacks", "resolution_mm", "denoise", "bias")


@dataclass(frozen=True)
class Case:
    """A session and its truth."""

    folder: Path
    truth: Path


def find_case(name: str, folder: Path) -> Case:
    """A case of the developers, or a fresh one, written into the folder unless it is there."""
    if name not in FRESH:
        return Case(CASES / name, CASES / f"{name}_truth")
    return simulated(name, FRESH[name], folder)


def simulated(name: str, options: CaseOptions, folder: Path) -> Case:
    """The case of a name that begins with ``fresh`` and a number."""
    case = folder / name
    if not case.exists():
        write_case(simulate_case(options, seed=100 + int(name.removeprefix("fresh")[:2])), case)
    return Case(case, find_truth(case / "derivatives" / "truth"))


def denoised(stack: Stack, name: str) -> tuple[Stack, bool]:
    """The stack as it enters the reconstruction, and whether another method was used, as the app would do it."""
    sigma = estimate_noise_sigma(stack.pixels, stack.mask)
    found = denoise_stack(name, stack.pixels, sigma, stack.mask)
    return replace(stack, pixels=found.pixels, noise_sigma=sigma, noise_floor=found.floor), bool(found.note)


def run(case: Case, planes: Sequence[str], name: str, bias: str, resolution_mm: float) -> dict[str, object]:
    """Denoise, divide by the field, reconstruct, fit, score."""
    began = time.process_time()
    found = [denoised(stack, name) for stack in read_stacks(case.folder, planes)]
    stacks = [stack for stack, _ in found]
    after = time.process_time()
    if bias == "n4":
        field = estimate_field(stacks, n4_log_field)
        stacks = [unbiased(stack, field.on(stack)) for stack in stacks]
    seconds = {"denoise_cpu_s": round(after - began, 1), "bias_cpu_s": round(time.process_time() - after, 1)}
    scores = score_recon(reconstruct(stacks, ReconOptions(resolution_mm=resolution_mm)), case.truth)
    return {
        "case": case.folder.name,
        "stacks": len(planes),
        "resolution_mm": resolution_mm,
        "denoise": name,
        "bias": bias,
        "wm": scores["WM"]["mae"],  # type: ignore[index]
        "gm": scores["GM"]["mae"],  # type: ignore[index]
        "ssim": scores["ssim"],
        "left_to_nlm": sum(other for _, other in found),
    } | seconds


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing, keep the numbers after each row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", nargs="+", default=list(TEN))
    parser.add_argument("--denoise", nargs="+", choices=list(DENOISERS), default=list(DENOISERS))
    parser.add_argument("--bias", nargs="+", choices=list(BIASES), default=["n4"])
    parser.add_argument("--stacks", type=int, nargs="+", default=[3], choices=(1, 2, 3))
    parser.add_argument("--resolution", type=float, default=1.2, metavar="MM", help="lattice of the reconstruction")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--folder", type=Path, help="where the sessions are kept; a temporary folder otherwise")
    args = parser.parse_args(argv)
    rows = json.loads(args.out.read_text("utf-8")) if args.out.exists() else []
    with tempfile.TemporaryDirectory() as scratch:
        for n_stacks in args.stacks:
            planes = next(p for p in PLANES if len(p) == n_stacks)
            for case_name in args.names:
                case = find_case(case_name, args.folder or Path(scratch))
                for name, bias in product(args.denoise, args.bias):
                    key = (case_name, n_stacks, args.resolution, name, bias)
                    if key in {tuple(row[part] for part in KEY) for row in rows}:
                        continue
                    rows.append(run(case, planes, name, bias, args.resolution))
                    print(json.dumps(rows[-1]), flush=True)
                    args.out.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
