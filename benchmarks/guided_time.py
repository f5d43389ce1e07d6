"""Seconds and memory of guided super-resolution on a grid of 100^3, a whole head in it, both guides, 2 times finer.

``one guide refused``: the T1-weighted guide lies 3 mm off its place, so both guides are tried and then each by itself.
Rows that are in the results already are kept, unless ``--anew``. Peak memory is that of the process: name one way with
``--only`` for its own.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.guided import HERE, SEED
from benchmarks.guided_safety import methods, shifted
from fetalt2prep.core.guided.given import Guide
from fetalt2prep.core.guided.options import GuidedOptions
from fetalt2prep.core.guided.refine import Refined
from fetalt2prep.interfaces.account import Meter
from fetalt2prep.sim.guided.case import GuidedCase, draw_guided_case
from fetalt2prep.sim.guided.relaxation_maps import SlabOptions, draw_head

RESULTS = HERE / "results" / "guided_time.json"
SIDE, HEAD = 100, 99
WAYS = {
    "fit": ("fit", False),
    "fit, one guide refused": ("fit", True),
    "network": ("network", False),
    "network, one guide refused": ("network", True),
}
"""By name: the method, and whether the first guide lies off its place."""


def large_case() -> GuidedCase:
    """A whole head in coarse voxels of 2.8 mm, fine ones of 1.4 mm."""
    options = SlabOptions(n_slices=SIDE, spacing_mm=1.4, multiple=SIDE)
    head = draw_head(np.random.default_rng([SEED, HEAD]), options)
    return draw_guided_case(np.random.default_rng([SEED, HEAD, 1]), head.maps, 2)


def measured(case: GuidedCase, run: Callable[[GuidedCase, Sequence[Guide]], Refined], *, off: bool) -> dict[str, Any]:
    """One run: wall seconds, CPU seconds of all threads, peak memory, use of the guides, the network's answers."""
    first, *others = case.guides.values()
    guides = [shifted(first, 0) if off else first, *others]
    meter = Meter()
    found = run(case, guides)
    row: dict[str, Any] = {"threads": torch.get_num_threads(), "grid": list(case.mask.shape), **meter.read()}
    row["uses"] = [guide["use"] for guide in found.info["guides"]]
    return row | ({"n_answers": len(found.info["answers"])} if "answers" in found.info else {})


def main(argv: Sequence[str] | None = None) -> None:
    """Measure what is missing, keep the numbers after each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=GuidedOptions().n_steps, help="of each of the fit's stages")
    parser.add_argument("--anew", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    kept = json.loads(args.out.read_text("utf-8")) if args.out.exists() else {}
    missing = [name for name in args.only if args.anew or name not in kept]
    case = large_case() if missing else None
    for name in missing:
        assert case is not None
        method, off = WAYS[name]
        kept[name] = measured(case, methods(args.steps)[method], off=off)
        kept[name] |= {"n_steps": args.steps} if method == "fit" else {}
        args.out.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
        print(name, json.dumps(kept[name]), flush=True)


if __name__ == "__main__":
    main()
