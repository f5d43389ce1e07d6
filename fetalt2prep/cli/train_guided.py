"""``fetalt2 train-guided OUT``: train the network that refines maps with guides, on simulated heads alone."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fetalt2prep.cli.training import SMOKE_HELP, add_training_arguments

if TYPE_CHECKING:
    from fetalt2prep.core.guided.learn import LearnOptions
    from fetalt2prep.sim.array_pool import ArrayPool

DESCRIPTION = (
    "Train the network that refines coarse maps of proton density, T1 and T2 with fine weighted images. It is trained "
    "on the two terms of the fit of one subject, guides and coarse maps, on simulated heads with sequences drawn at "
    "random; no fine map and no scan is used. Writes guided.safetensors, its card guided.json and the curve "
    "guided_training.png into OUT. The same command in the same folder goes on where it ended; the same seed, machine "
    "and number of threads give the same weights."
)
VALIDATION_SEED = 5_000_000
SMOKE: dict[str, int] = {
    "n_steps": 3, "batch_size": 1, "side": 24, "n_heads": 1, "n_first": 1, "warm_up": 1, "width": 4, "n_blocks": 1,
}  # fmt: skip
"""What --smoke sets: seconds, and weights of no use."""
LIMITS = (
    "Trained on slabs of simulated heads: adult tissue at 1.5 and 3 T with drawn lesions, voxels of 1.3 mm, coarse "
    "voxels 2 or 4 times as long, noise of 1 % in the coarse maps and 1 to 3 % in the guides, MPRAGE or spoiled "
    "gradient echo as T1-weighted and spin echo as T2-weighted guide, no motion, no misplaced guide, no coil field. "
    "Other tissue, resolutions and sequences were not tried. Research use only."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command; the defaults are those of the weights in the package."""
    add = parser.add_argument
    add("out", type=Path, metavar="OUT", help="folder to write: weights, card, curve, checkpoint, and heads")
    add("--steps", type=int, default=400, metavar="N", help="steps of the optimiser")
    add("--heads", type=int, default=32, metavar="N", help="heads to draw")
    add("--validation", type=int, default=2, metavar="N", help="further heads, to measure the result")
    add("--guides", nargs="+", choices=("t1w", "t2w"), default=["t1w", "t2w"], help="guides to train with")
    add("--without-maps", action="store_true", help="the coarse maps are not shown to the network (ablation)")
    add("--without-anchor", action="store_true", help="its answer need not look like them (ablation)")
    add_training_arguments(parser, drawn="heads", n_workers=0)
    add("--smoke", action="store_true", help=SMOKE_HELP)


def run(arguments: argparse.Namespace) -> int:
    """Draw, train, measure, write."""
    import torch

    from fetalt2prep.cli.training import start_from, train_in_chunks, training_card
    from fetalt2prep.core.guided.learn import GuidedTraining, LearnOptions, new_state
    from fetalt2prep.core.guided.refine_network import Switches
    from fetalt2prep.interfaces.account import Meter, software_versions
    from fetalt2prep.io.guided_weights import load_guided_net, save_guided_net
    from fetalt2prep.io.training_picture import write_training_picture
    from fetalt2prep.io.weights import write_card
    from fetalt2prep.sim.guided.lessons import head_pool, lessons

    meter = Meter()
    sizes = {"n_steps": arguments.steps, "n_heads": arguments.heads, "n_first": min(8, arguments.heads)}
    switches = Switches(maps=not arguments.without_maps, anchor=not arguments.without_anchor)
    options = LearnOptions(
        **(SMOKE if arguments.smoke else sizes),
        seed=arguments.seed, device=arguments.device, switches=switches, guides=tuple(arguments.guides),
    )  # fmt: skip
    out: Path = arguments.out
    first = new_state(options)
    start_from(first, arguments.start_from, lambda weights: load_guided_net(weights)[0])
    n_unseen, n_workers = (1, 0) if arguments.smoke else (arguments.validation, arguments.workers)
    torch.use_deterministic_algorithms(options.device == "cpu")
    with head_pool(out / "heads", options.n_heads, seed=options.seed, n_workers=n_workers) as pool:
        state, curve = train_in_chunks(
            lambda state: GuidedTraining(options, lessons(pool.read, options), state), first,
            options.n_steps, out / "checkpoint.pt", options, score="running loss",
        )  # fmt: skip
    path = save_guided_net(state.network.cpu(), switches, out / "guided.safetensors")
    measured = _measure(path, head_pool(out / "heads", n_unseen, seed=VALIDATION_SEED + options.seed), options)
    write_training_picture(curve, out / "guided_training.png", score="loss", validation="unseen heads")
    made = training_card(arguments, options, curve, command=_command(arguments, options), smoke=arguments.smoke)
    card = write_card(path, made | {
        "what": "residual convolutional network, 3D, that refines maps of proton density, T1 and T2 with guides",
        "data": f"{options.n_heads} simulated heads of fetalt2prep.sim.guided.relaxation_maps; no scan, no patient",
        "limits": LIMITS, "unseen_simulated_heads": measured, "cost": meter.read(), "versions": software_versions(),
    })  # fmt: skip
    for row in measured:
        sys.stdout.write(
            f"{row['factor']} times finer: high-frequency error of T1 {row['t1_before']:.3f} -> {row['t1_after']:.3f}, "
            f"of T2 {row['t2_before']:.3f} -> {row['t2_after']:.3f}.\n"
        )
    sys.stdout.write(f"Written: {path}, {card}\n")
    return 0


def _measure(path: Path, unseen: ArrayPool, options: LearnOptions) -> list[dict[str, float]]:
    """High-frequency error of T1 and T2, zero-filled and refined, mean over heads that were not trained on; and on how
    many of them the answer was refused, so that the refined maps are the plain coarse ones.
    """
    import numpy as np

    from fetalt2prep.core import metrics
    from fetalt2prep.core.guided.options import GuidedOptions
    from fetalt2prep.core.guided.refine_network import refine_by_network
    from fetalt2prep.io.guided_weights import load_guided_net
    from fetalt2prep.sim.guided.case import draw_guided_case
    from fetalt2prep.sim.guided.lessons import FACTORS
    from fetalt2prep.sim.guided.relaxation_maps import RelaxationMaps

    network, switches = load_guided_net(path)
    rows = []
    for factor in FACTORS:
        found, n_refused = [], 0
        for n in range(unseen.n_arrays):
            maps = RelaxationMaps.of(unseen.read(n).astype(np.float32))
            case = draw_guided_case(np.random.default_rng([VALIDATION_SEED, n, factor]), maps, factor)
            guides = [case.guides[name] for name in options.guides]
            refined = refine_by_network(
                case.coarse, guides, case.see, case.mask, GuidedOptions(), network=network, switches=switches
            )
            n_refused += not any(answer["good"] for answer in refined.info["answers"])
            assert case.coarse.t1_s is not None
            assert refined.t1_s is not None
            pairs = (
                (maps.t1_s, case.see.zero_fill(case.coarse.t1_s)), (maps.t1_s, refined.t1_s),
                (maps.t2_s, case.see.zero_fill(case.coarse.t2_s)), (maps.t2_s, refined.t2_s),
            )  # fmt: skip
            found.append([metrics.hfen(true, image.numpy(), maps.mask) for true, image in pairs])
        names = ("t1_before", "t1_after", "t2_before", "t2_after")
        rows.append(
            {"factor": factor, "n_heads": len(found), "n_refused": n_refused}
            | dict(zip(names, np.mean(found, 0).tolist(), strict=True))
        )
    return rows


def _command(arguments: argparse.Namespace, options: LearnOptions) -> str:
    left_out = " --without-maps" * bool(arguments.without_maps) + " --without-anchor" * bool(arguments.without_anchor)
    sizes = f"--steps {options.n_steps} --heads {options.n_heads}"
    return f"train-guided OUT {sizes} --guides {' '.join(options.guides)}{left_out}"
