"""``python -m benchmarks.paper_tables``: tables 2 and 3 of arXiv:2508.10680 on simulated subjects.

The models sc, mc, mcreg and decay on the same stacks, without the app around them: given masks, no denoising.
Results go to ``results/paper_tables.json`` after each reconstruction; what is there already is not computed again
(``--anew`` after a change of the code). ``--small`` took 10 minutes of processor time on one thread; the whole takes
many hours without a GPU.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.paper_page import PAGE, page_text, tables_text
from benchmarks.protocols import (
    FETUSES_WEEKS,
    FEW_ADULTS,
    FEW_FETUSES,
    MODELS,
    N_ADULTS,
    SMALL_SCALE,
    Subject,
    adults,
    fetuses,
)
from fetalt2prep import __version__
from fetalt2prep.core.recon.joint import reconstruct
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.core.t2.weighted_loglinear import fit_weighted_loglinear
from fetalt2prep.sim.case import Case, simulate_case
from fetalt2prep.sim.score import Volume, score
from fetalt2prep.sim.score.evaluation import with_effective_t2

ROW = ("table", "subject", "stacks", "model", "resolution_mm")  # one result each; a newer one takes its place
RESULTS = Path(__file__).parent / "results" / "paper_tables.json"


def subjects_of(args: argparse.Namespace) -> list[Subject]:
    """The subjects that the command line asks for, in the size it asks for."""
    weeks = args.fetuses or (FEW_FETUSES if args.small else FETUSES_WEEKS)
    n_adults = args.adults if args.adults is not None else FEW_ADULTS if args.small else N_ADULTS
    out = []
    for subject in (*fetuses(weeks), *adults(n_adults)):
        if subject.table in args.tables:
            scale = args.scale or (SMALL_SCALE[subject.table] if args.small else 1.0)
            out.append(subject.coarser(scale))
    return out


def run_model(case: Case, subject: Subject, n_stacks: int, model: str, device: str) -> dict[str, Any]:
    """Reconstruct the stacks of the first planes with one model and score them; scores are None when it failed."""
    planes = subject.options.planes[:n_stacks]
    stacks = [s for s, plan in zip(case.stacks, case.plans, strict=True) if plan.plane in planes]
    began, spent = time.process_time(), 0.0
    note = ""
    scores: dict[str, object] | None = None
    try:
        recon = reconstruct(stacks, ReconOptions(model=model, resolution_mm=subject.resolution_mm, device=device))
        fit = fit_weighted_loglinear(
            torch.from_numpy(recon.echoes), torch.from_numpy(recon.te_s), stderr=torch.from_numpy(recon.echo_stderr)
        )
        echoes = [Volume(echo, recon.affine) for echo in recon.echoes]
        spent = time.process_time() - began
        truth = with_effective_t2(case.truth)  # the paper's reference is a fit of motion-free echoes, too
        scores = score(truth, echoes, Volume(np.nan_to_num(fit.t2_s.numpy()), recon.affine))
    except (ValueError, RuntimeError) as error:  # a failure is a result: the paper's sc fails at one stack per TE
        note = str(error)
    return {"scores": scores, "note": note, "cpu_s": round(spent, 1)}


def key_of(subject: Subject, n_stacks: int, model: str) -> dict[str, Any]:
    """What a result is the result of."""
    options = json.loads(json.dumps(asdict(subject.options)))
    return {
        "table": subject.table,
        "subject": subject.name,
        "stacks": n_stacks,
        "model": model,
        "seed": subject.seed,
        "resolution_mm": subject.resolution_mm,
        "options": options,
        "version": __version__,
    }


def known(results: Sequence[dict[str, Any]], key: dict[str, Any]) -> bool:
    """Whether a result with this key is there."""
    return any(all(result.get(name) == value for name, value in key.items()) for result in results)


def compute(subjects: Sequence[Subject], models: Sequence[str], device: str, results: list[dict[str, Any]]) -> None:
    """Add what is missing to the results, and keep them after each."""
    for subject in subjects:
        wanted = [(key_of(subject, n, m), n, m) for n in subject.stacks for m in models]
        missing = [item for item in wanted if not known(results, item[0])]
        if not missing:
            continue
        case = simulate_case(subject.options, subject.seed)
        for key, n_stacks, model in missing:
            result = key | run_model(case, subject, n_stacks, model, device)
            results[:] = [old for old in results if any(old[name] != key[name] for name in ROW)] + [result]
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
            said = result["note"] or f"MAE WM {result['scores']['WM']['mae']}, GM {result['scores']['GM']['mae']} ms"
            print(f"{subject.name}, {n_stacks} stacks per TE, {model}: {said} ({result['cpu_s']} CPU s)", flush=True)


def build_parser() -> argparse.ArgumentParser:
    """Arguments of the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper_tables", description=__doc__)
    parser.add_argument("--small", action="store_true", help="few subjects in coarse pixels: minutes, not hours")
    parser.add_argument("--scale", type=float, help="factor on pixel size and output voxel (default: 1)")
    parser.add_argument("--tables", type=int, nargs="+", choices=(2, 3), default=(2, 3))
    parser.add_argument("--fetuses", type=float, nargs="+", metavar="WEEKS", help="ages of table 2")
    parser.add_argument("--adults", type=int, metavar="N", help="subjects of table 3")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:n")
    parser.add_argument("--anew", action="store_true", help="forget the results that are there")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Compute what is missing, print both tables beside the published ones, write the page of the documentation."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.scale is not None and not 1 <= args.scale <= 8:
        parser.error(f"--scale is {args.scale}; give 1 (the paper's pixels) to 8.")
    results = [] if args.anew or not RESULTS.exists() else json.loads(RESULTS.read_text("utf-8"))
    compute(subjects_of(args), args.models, args.device, results)
    print(tables_text(results))
    PAGE.write_text(page_text(results), "utf-8")


if __name__ == "__main__":
    main()
