"""``fetalt2 train-mask OUT``: train the network that finds the brain, on synthetic pictures alone."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fetalt2prep.core.mask.train import MaskState, TrainOptions
    from fetalt2prep.sim.pictures.pool import PicturePool

DESCRIPTION = (
    "Train the network that outlines the brain in raw stacks. Every picture it sees is drawn by the simulator; no scan "
    "is used. Writes brain_mask.safetensors and its card brain_mask.json into OUT. The same command in the same folder "
    "goes on where it ended; the same seed, machine and number of threads give the same weights."
)
VALIDATION_SEED = 5_000_000
LIMITS = (
    "Every picture was drawn; what the drawing does not know (twins, malformations, other contrasts than T2-weighted, "
    "slices much thicker than 7 mm, an adult) the network does not know. Where it errs its confidence is mostly, not "
    "always, low: look at the outlines."
)
SMOKE: dict[str, int] = {
    "n_steps": 4, "batch_size": 2, "n_pictures": 2, "n_first": 2, "crop": 64, "warm_up": 1,
}  # fmt: skip
"""What --smoke sets: seconds, and weights of no use."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command; the defaults are those of the weights in the package."""
    add = parser.add_argument
    add("out", type=Path, metavar="OUT", help="folder to write: weights, card, checkpoint, and pictures")
    add("--steps", type=int, default=5000, metavar="N", help="steps of the optimiser")
    add("--pictures", type=int, default=2000, metavar="N", help="synthetic stacks to draw")
    add("--validation", type=int, default=40, metavar="N", help="further stacks, to measure the result")
    add("--batch-size", type=int, default=16, metavar="N", help="slices per step")
    add("--learning-rate", type=float, default=3e-3, metavar="RATE", help="highest learning rate")
    add("--seed", type=int, default=0, help="seed of network, pictures and batches")
    add("--workers", type=int, default=1, metavar="N", help="processes that draw pictures meanwhile (0: none)")
    add("--device", default="cpu", help="cpu, cuda or cuda:n")
    add("--start-from", type=Path, metavar="FILE", help="weights to begin with (None: random ones)")
    add("--smoke", action="store_true", help="a run of seconds that shows that all works; its weights are of no use")


def run(arguments: argparse.Namespace) -> int:
    """Draw, train, measure, write."""
    import torch

    from fetalt2prep.core.mask.train import TrainOptions
    from fetalt2prep.interfaces.account import Meter, software_versions
    from fetalt2prep.io.mask_weights import save_mask_net
    from fetalt2prep.io.weights import write_card
    from fetalt2prep.sim.pictures.pool import PicturePool

    meter = Meter()
    sizes = {"n_steps": arguments.steps, "n_pictures": arguments.pictures, "batch_size": arguments.batch_size}
    sizes["n_first"] = min(64, arguments.pictures)
    options = TrainOptions(
        **(SMOKE if arguments.smoke else sizes),
        seed=arguments.seed, learning_rate=arguments.learning_rate, device=arguments.device,
    )  # fmt: skip
    torch.use_deterministic_algorithms(options.device == "cpu")
    out: Path = arguments.out
    n_workers = 0 if arguments.smoke else arguments.workers
    with PicturePool(out / "pictures", options.n_pictures, seed=options.seed, n_workers=n_workers) as pool:
        state, losses = _train(options, pool, out, arguments.start_from)
    n_validation = 1 if arguments.smoke else arguments.validation
    with PicturePool(out / "pictures", n_validation, seed=VALIDATION_SEED + options.seed) as unseen:
        measured = _measure(state, unseen)
    path = save_mask_net(state.network.cpu(), out / "brain_mask.safetensors")
    card = write_card(path, _card(arguments, options, losses, measured) | {
        "cost": meter.read(), "versions": software_versions(),
    })  # fmt: skip
    sys.stdout.write(f"Dice on {n_validation} unseen synthetic stacks: {measured['dice_median']:.3f} (median).\n")
    sys.stdout.write(f"Written: {path}, {card}\n")
    return 0


def _train(
    options: TrainOptions, pool: PicturePool, out: Path, start_from: Path | None
) -> tuple[MaskState, list[float]]:
    """Train, from weights where they are given; the losses are those that were looked at."""
    from fetalt2prep.cli.training import train_in_chunks
    from fetalt2prep.core.mask.train import MaskTraining, new_state
    from fetalt2prep.io.mask_weights import load_mask_net

    state = new_state(options)
    if start_from is not None:
        state.network.load_state_dict(load_mask_net(start_from).state_dict())
    state, curve = train_in_chunks(
        lambda state: MaskTraining(options, pool.read, state), state, options.n_steps, out / "checkpoint.pt", options,
        score="overlap",
    )  # fmt: skip
    return state, [row["loss"] for row in curve]


def _measure(state: MaskState, unseen: PicturePool) -> dict[str, Any]:
    """Dice of whole synthetic stacks that were not trained on, outlined where the probability exceeds one half."""
    import numpy as np
    import torch

    from fetalt2prep.core.mask.network import BRIGHTEST, with_neighbours

    network = state.network.cpu().eval()
    scores: list[float] = []
    n_false = 0
    for n in range(unseen.n_pictures):
        pixels, share = (torch.from_numpy(np.asarray(part, np.float32)) for part in unseen.read(n))
        with torch.no_grad():
            found = network(with_neighbours(pixels.clamp(max=BRIGHTEST))) > 0
        brain = share > 0.5
        if brain.sum() < 200:
            n_false += int(found.sum() > 200)
            continue
        scores.append(float(2 * (found & brain).sum() / (found.sum() + brain.sum())))
    return {
        "n_stacks": unseen.n_pictures,
        "n_with_brain": len(scores),
        "dice_median": float(np.median(scores)) if scores else float("nan"),
        "dice_10th_percentile": float(np.percentile(scores, 10)) if scores else float("nan"),
        "n_without_brain_but_outlined": n_false,
    }


def _card(
    arguments: argparse.Namespace, options: TrainOptions, losses: list[float], measured: dict[str, Any]
) -> dict[str, Any]:
    import dataclasses

    command = f"fetalt2 train-mask OUT --steps {options.n_steps} --pictures {options.n_pictures}"
    command += f" --batch-size {options.batch_size} --seed {options.seed} --device {options.device}"
    command += f" --learning-rate {options.learning_rate:g}"
    if arguments.start_from is not None:
        command += f" --start-from {arguments.start_from.name}"
    return {
        "what": "U-Net that outlines the fetal brain in raw T2-weighted stacks, 2 mm pixels, slice and neighbours",
        "data": f"{options.n_pictures} synthetic stacks of fetalt2prep.sim.pictures; no scan, no patient",
        "script": "fetalt2prep/cli/train_mask.py",
        "command": "smoke run" if arguments.smoke else command,
        "started_from": None if arguments.start_from is None else arguments.start_from.name,
        "options": dataclasses.asdict(options),
        "limits": LIMITS,
        "loss_last": losses[-1] if losses else None,
        "unseen_synthetic_stacks": measured,
    }
