"""The protocol of the paper's Tables 3 and 4 on simulated pairs: ``python -m benchmarks.denoise_left_out OUT``.

For every sequence (of the head) and every other part of the body, two networks of one size and schedule:
one trained on as many scenes of all the others as the other one is on scenes of this alone; both judged on unseen
slices of this. ``--steps`` and ``--scenes`` set the schedule, which is stored with the numbers; each of ``--seeds``
gives other first weights and batches, and says how far two trainings of the same are apart. Rows of this schedule that
are in the results already are not run again; those of another are replaced.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.cases import HERE
from fetalt2prep.core.denoise.unet.train import DenoiserTraining, TrainOptions, new_state
from fetalt2prep.core.fit import fit
from fetalt2prep.core.metrics import psnr, ssim
from fetalt2prep.sim.array_pool import ArrayPool
from fetalt2prep.sim.pairs.plan import CONTRASTS, PARTS, PairOptions
from fetalt2prep.sim.pairs.pool import pair_pool

RESULTS = HERE / "results" / "denoise_left_out.json"
UNSEEN_SEED = 9_000_000
N_UNSEEN = 12
BATCH, CROP = 6, 64
SETS = {f"sequence {c}": PairOptions(parts=("brain",), contrasts=(c,)) for c in CONTRASTS} | {
    f"part {p}": PairOptions(parts=(p,)) for p in PARTS if p != "brain"
}
Read = Callable[[int], NDArray[Any]]


def mixed(pools: Sequence[ArrayPool]) -> Read:
    """Scenes of several pools in turn."""
    return lambda n: pools[n % len(pools)].read(n // len(pools))


def trained(read: Read, options: TrainOptions) -> Any:
    """A network after its schedule."""
    state = new_state(options)
    return fit(DenoiserTraining(options, read, state), options.n_steps, check_every=options.n_steps).state.network


def judged(network: Any, unseen: ArrayPool) -> dict[str, float]:
    """Mean PSNR and SSIM of input and output."""
    rows = []
    for n in range(unseen.n_arrays):
        for pair in unseen.read(n):
            measured, target = (pair[name].astype(np.float32) for name in ("measured", "target"))
            with torch.inference_mode():
                found = network.eval()(torch.from_numpy(measured)[None, None], torch.tensor([pair["sigma"]]))[-1]
            images = (measured, found[0, 0].numpy())
            rows.append([f(target, x, data_range=1.0) for x in images for f in (psnr, ssim)])
    names = ("psnr_in", "ssim_in", "psnr", "ssim")
    return {name: float(v) for name, v in zip(names, np.mean(rows, axis=0), strict=True)} | {"n_slices": len(rows)}


def key_of(name: str, label: str, seed: int) -> str:
    """Of a row of the results: what was left out, whether it was (``others``) or not (``same``), and the seed."""
    return f"{name}: {label}, seed {seed}"


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing, keep the numbers after each network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pairs are kept")
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--scenes", type=int, default=32, help="that each network is trained on")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    rows: dict[str, Any] = json.loads(args.out.read_text("utf-8")) if args.out.exists() else {}
    pools, unseen = (
        {name: pair_pool(args.folder / name.replace(" ", "-"), n, o, seed=seed) for name, o in SETS.items()}
        for n, seed in ((args.scenes, 0), (N_UNSEEN, UNSEEN_SEED))
    )
    schedule = {"steps": args.steps, "scenes": args.scenes, "batch": BATCH, "crop": CROP}

    def train(names: Sequence[str], seed: int) -> Any:
        n = args.scenes
        options = TrainOptions(
            seed=seed, n_steps=args.steps, batch_size=BATCH, crop=CROP, n_scenes=n, n_first=n, single_share=1.0,
            n_stages=1,
        )  # fmt: skip
        return trained(mixed([pools[name] for name in names]), options)

    for seed, name in product(args.seeds, args.sets):
        kind = name.split()[0]
        others = [other for other in SETS if other.split()[0] == kind and other != name]
        for label, names in (("others", others), ("same", [name])):
            key = key_of(name, label, seed)
            if schedule.items() <= rows.get(key, {}).items():
                continue
            rows[key] = judged(train(names, seed), unseen[name]) | schedule | {"seed": seed}
            args.out.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
            print(key, {k: round(v, 3) for k, v in rows[key].items()}, flush=True)


if __name__ == "__main__":
    main()
