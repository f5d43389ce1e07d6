"""The U-Net, alone and in the cascade, beside DnCNN: one set of pairs, each trained from scratch.

``python -m benchmarks.denoise_plain FOLDER``: pairs of every part and sequence, drawn into the folder; each row says
network, steps and highest learning rate, and holds the seconds of training, the gain on scenes that no training saw,
and the time of one slice. Batches are the same for all, step by step. Rows that are in the results are not run again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.cases import HERE
from benchmarks.denoise_left_out import judged
from benchmarks.dncnn import DnCnn
from fetalt2prep.cli.train_denoiser import gains
from fetalt2prep.core.denoise.unet.train import DenoiserTraining, TrainOptions, new_state
from fetalt2prep.core.fit import fit
from fetalt2prep.core.train_state import TrainState
from fetalt2prep.sim.array_pool import ArrayPool
from fetalt2prep.sim.pairs.pool import pair_pool

RESULTS = HERE / "results" / "denoise_plain.json"
SEED, UNSEEN_SEED = 11_000_000, 9_500_000
N_SCENES, N_UNSEEN = 96, 24
BATCH, CROP = 6, 64
TIMED = 320  # pixels along each side of the slice that is timed


@dataclass(frozen=True)
class Row:
    """One network and its schedule."""

    network: str
    steps: int
    learning_rate: float = 2e-3

    @property
    def key(self) -> str:
        """Name of the row in the results."""
        return f"{self.network}, {self.steps} steps, rate {self.learning_rate:g}"


ROWS = (
    Row("dncnn", 1000), Row("unet", 1450), Row("unet", 1000), Row("cascade", 1000), Row("dncnn", 1000, 1e-3),
)  # fmt: skip
"""unet: its first stage alone; 1450 of its steps take as long as 1000 of DnCNN. cascade: both stages near the end."""


def trained(row: Row, pool: ArrayPool) -> Any:
    """The network of a row after its schedule."""
    cascade = row.network == "cascade"
    options = TrainOptions(
        n_steps=row.steps, learning_rate=row.learning_rate, batch_size=BATCH, crop=CROP, n_scenes=N_SCENES,
        n_first=N_SCENES, n_stages=2 if cascade else 1, single_share=0.62 if cascade else 1.0,
    )  # fmt: skip
    state: Any = new_state(options)
    if row.network == "dncnn":
        torch.manual_seed(options.seed)
        network = DnCnn().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        state = TrainState(network, torch.optim.Adam(network.parameters(), lr=options.learning_rate))
    return fit(DenoiserTraining(options, pool.read, state), options.n_steps, check_every=options.n_steps).state.network


def seconds_a_slice(network: Any) -> float:
    """CPU seconds for one slice, the least of three."""
    image, sigma = torch.rand(1, 1, TIMED, TIMED).contiguous(memory_format=torch.channels_last), torch.tensor([0.1])
    found = []
    for _ in range(3):
        began = time.process_time()
        with torch.inference_mode():
            network(image, sigma)
        found.append(time.process_time() - began)
    return min(found)


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing, keep the numbers after each network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pairs are kept")
    parser.add_argument("--networks", nargs="+", choices=("dncnn", "unet", "cascade"), help="(default: all)")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    rows: dict[str, Any] = json.loads(args.out.read_text("utf-8")) if args.out.exists() else {}
    pool = pair_pool(args.folder, N_SCENES, seed=SEED)
    unseen = pair_pool(args.folder, N_UNSEEN, seed=UNSEEN_SEED)
    for n in range(N_SCENES):  # drawn first: the time of training is its own
        pool.read(n)
    for row in ROWS:
        if row.key in rows or row.network not in (args.networks or (row.network,)):
            continue
        began = time.process_time()
        network = trained(row, pool).eval()
        seconds = time.process_time() - began
        rows[row.key] = judged(network, unseen) | gains(network, unseen) | {
            "network": row.network, "steps": row.steps, "learning_rate": row.learning_rate, "batch": BATCH,
            "crop": CROP, "scenes": N_SCENES, "train_cpu_s": round(seconds, 1),
            "n_weights": sum(p.numel() for p in network.parameters()),
            "slice_cpu_s": round(seconds_a_slice(network), 3),
        }  # fmt: skip
        args.out.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
        print(row.key, json.dumps(rows[row.key]), flush=True)


if __name__ == "__main__":
    main()
