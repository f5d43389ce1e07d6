"""``fetalt2 train-mask OUT``: train the network that finds the brain, on synthetic pictures alone."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fetalt2prep.cli.training import SMOKE_HELP, add_training_arguments

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
    add_training_arguments(parser, drawn="pictures", n_workers=1)
    add("--smoke", action="store_true", help=SMOKE_HELP)


def run(arguments: argparse.Namespace) -> int:
    """Draw, train, measure, write."""
    import torch

    from fetalt2prep.cli.training import start_from, train_in_chunks, training_card
    from fetalt2prep.core.mask.train import MaskTraining, TrainOptions, new_state
    from fetalt2prep.interfaces.account import Meter, software_versions
    from fetalt2prep.io.mask_weights import load_mask_net, save_mask_net
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
    n_validation, n_workers = (1, 0) if arguments.smoke else (arguments.validation, arguments.workers)
    state = new_state(options)
    start_from(state, arguments.start_from, load_mask_net)
    with PicturePool(out / "pictures", options.n_pictures, seed=options.seed, n_workers=n_workers) as pool:
        state, curve = train_in_chunks(
            lambda state: MaskTraining(options, pool.read, state), state, options.n_steps,
            out / "checkpoint.pt", options, score="overlap",
        )  # fmt: skip
    with PicturePool(out / "pictures", n_validation, seed=VALIDATION_SEED + options.seed) as unseen:
        measured = _measure(state, unseen)
    path = save_mask_net(state.network.cpu(), out / "brain_mask.safetensors")
    made = training_card(arguments, options, curve, command=_command(options), smoke=arguments.smoke)
    card = write_card(path, made | {
        "what": "U-Net that outlines the fetal brain in raw T2-weighted stacks, 2 mm pixels, slice and neighbours",
        "data": f"{options.n_pictures} synthetic stacks of fetalt2prep.sim.pictures; no scan, no patient",
        "limits": LIMITS, "unseen_synthetic_stacks": measured,
        "cost": meter.read(), "versions": software_versions(),
    })  # fmt: skip
    sys.stdout.write(f"Dice on {n_validation} unseen synthetic stacks: {measured['dice_median']:.3f} (median).\n")
    sys.stdout.write(f"Written: {path}, {card}\n")
    return 0


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


def _command(options: TrainOptions) -> str:
    command = f"train-mask OUT --steps {options.n_steps} --pictures {options.n_pictures}"
    return f"{command} --batch-size {options.batch_size} --learning-rate {options.learning_rate:g}"
