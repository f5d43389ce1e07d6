"""The published ablation networks, all trained on one short schedule, on the 17 test heads of :mod:`benchmarks.guided`.

``M1``, ``M2``, ``M12``: shown and asked for the T1-weighted guide, the T2-weighted one, both. The two signs: the coarse
maps are shown to the network; its answer must look like them when it is trained (the anchor).

What is scored is the bare answer, guides on their true scale: what :func:`refine_by_network` does around it (gains
found, fallback to the coarse maps where a guide disagrees) would be an anchor by the back door. Weights are
left in ``--keep`` and not shipped. Networks and rows that are there already are not made again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.guided import FACTORS, HERE, N_SUBJECTS, Triple, scores, subject
from fetalt2prep.cli.training import train_in_chunks
from fetalt2prep.core.guided.learn import GuidedTraining, LearnOptions, new_state
from fetalt2prep.core.guided.network import GuidedNet, Shown, slot_of
from fetalt2prep.core.guided.refine_network import Switches, look_at
from fetalt2prep.sim.guided.case import GuidedCase
from fetalt2prep.sim.guided.lessons import head_pool, lessons

RESULTS = HERE / "results" / "guided_ablation.json"
N_STEPS, N_HEADS = 1400, 48
BOTH = ("t1w", "t2w")
NETWORKS: dict[str, tuple[tuple[str, ...], Switches]] = {
    "M1++": (("t1w",), Switches()),
    "M2++": (("t2w",), Switches()),
    "M12++": (BOTH, Switches()),
    "M12+-": (BOTH, Switches(anchor=False)),
    "M12-+": (BOTH, Switches(maps=False)),
    "M12--": (BOTH, Switches(maps=False, anchor=False)),
}


def options_of(name: str, n_steps: int, n_heads: int) -> LearnOptions:
    """One schedule for all; a guide is never left out, so each network is trained with what its name says alone."""
    guides, switches = NETWORKS[name]
    return LearnOptions(n_steps=n_steps, n_heads=n_heads, guides=guides, switches=switches, drop_guide=0.0)


def trained(options: LearnOptions, folder: Path, heads: Path) -> tuple[GuidedNet, float]:
    """Network of a training, finished or gone on with, and its running loss."""
    folder.mkdir(parents=True, exist_ok=True)
    read = head_pool(heads, options.n_heads, seed=options.seed).read
    state, _ = train_in_chunks(
        lambda state: GuidedTraining(options, lessons(read, options), state), new_state(options),
        options.n_steps, folder / "checkpoint.pt", options, score="running loss",
    )  # fmt: skip
    return state.network.eval(), state.score


def answer(network: GuidedNet, options: LearnOptions, case: GuidedCase) -> Triple:
    """Proton density, T1 and T2 (s), zero outside the mask, in one pass."""
    guides = [case.guides[name] for name in options.guides]
    shown = {slot_of(g.model): Shown(image=g.image / case.gains[g.name], model=g.model) for g in guides}
    with torch.no_grad():
        look = look_at(case.coarse, shown, case.see, case.mask, options.switches)
        maps = network(look.base, look.channels)
    inside = case.mask.float()
    return inside * maps.pd, inside / maps.r1, inside / maps.r2


def evaluate(name: str, answer_of: Callable[[GuidedCase], Triple], subjects: Sequence[int], kept: list[Any]) -> None:
    """Rows of one network that are missing."""
    done = {(row["subject"], row["factor"]) for row in kept if row["way"] == name}
    for number in subjects:
        for factor in FACTORS:
            if (number, factor) not in done:
                head, case = subject(number, factor)
                began = time.process_time()
                found = answer_of(case)
                row = {"subject": number, "factor": factor, "way": name}
                row["cpu_s"] = round(time.process_time() - began, 2)
                kept.append(row | scores(head, found))


def main(argv: Sequence[str] | None = None) -> None:
    """Train what is missing, evaluate what is missing, keep the numbers after each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--subjects", type=int, nargs="+", default=list(range(N_SUBJECTS)))
    parser.add_argument("--steps", type=int, default=N_STEPS, metavar="N")
    parser.add_argument("--heads", type=int, default=N_HEADS, metavar="N")
    parser.add_argument("--keep", type=Path, required=True, metavar="DIR", help="checkpoints and drawn heads")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    schedule = {"n_steps": args.steps, "n_heads": args.heads}
    fresh = {"schedule": schedule, "training_cpu_s": {}, "rows": []}
    kept = json.loads(args.out.read_text("utf-8")) if args.out.exists() else fresh
    if kept["schedule"] != schedule:
        raise SystemExit(f"{args.out}: holds results of {kept['schedule']}; name another file.")
    for name in args.networks:
        options = options_of(name, args.steps, args.heads)
        began = time.process_time()
        network, loss = trained(options, args.keep / name, args.keep / "heads")
        kept["training_cpu_s"].setdefault(name, round(time.process_time() - began))
        evaluate(name, partial(answer, network, options), args.subjects, kept["rows"])
        args.out.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
        print(f"{name}: running loss {loss:.3f}, {len(args.subjects)} heads", flush=True)


if __name__ == "__main__":
    main()
