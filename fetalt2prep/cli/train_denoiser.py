"""``fetalt2 train-denoiser OUT``: train the network that denoises slices, on simulated pairs alone."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fetalt2prep.cli.training import add_training_arguments

if TYPE_CHECKING:
    from collections.abc import Callable

    from fetalt2prep.core.denoise.unet.train import Denoising, TrainOptions
    from fetalt2prep.sim.array_pool import ArrayPool
    from fetalt2prep.sim.pairs.plan import PairOptions

DESCRIPTION = (
    "Train the residual U-Net with fidelity network (--denoise unet) on simulated pairs of an accelerated, noisy slice "
    "and the same slice fully sampled without noise; no scan is used. On cuda it calculates in half precision. Writes "
    "denoiser.safetensors, its card denoiser.json and the curve denoiser_training.png into OUT. The same command in "
    "the same folder goes on where it ended; the same seed, machine and number of threads give the same weights."
)
VALIDATION_SEED = 5_000_000
VALIDATE_EVERY = 400
PROFILES: dict[str, dict[str, Any]] = {
    "cpu": {},
    "gpu": {"n_steps": 20000, "batch_size": 32, "crop": 128, "learning_rate": 1e-3, "n_scenes": 2000},
    "smoke": {
        "n_steps": 3, "batch_size": 2, "crop": 48, "n_scenes": 1, "n_first": 1, "warm_up": 1, "widths": (4, 8),
    },
}  # fmt: skip
"""cpu: the weights in the package, the better part of an hour of one core. gpu: half an hour. smoke: seconds, of no
use but to show that all works."""
LIMITS = (
    "Every slice was drawn: ellipsoids of textured tissue and a head phantom. Learned at 144 x 144 pixels of 0.8 to "
    "1.6 mm, signal-to-noise ratios 3 to 200, acceleration 1 to 3 along one axis with known coil maps, partial "
    "Fourier, zero filling; no motion within a slice, no fat shift, no ghosts. Noise of a magnitude; of images that "
    "hold the absolute real part (some partial Fourier) too much is taken off dark tissue. Below a ratio of 5 the "
    "result is smooth and may lack detail. Research use only."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command; the defaults are those of the weights in the package."""
    add = parser.add_argument
    add("out", type=Path, metavar="OUT", help="folder to write: weights, card, curve, checkpoint, and pairs")
    add("--profile", choices=list(PROFILES), default="cpu", help="sizes and lengths")
    add("--steps", type=int, metavar="N", help="steps of the optimiser (None: the profile's)")
    add("--scenes", type=int, metavar="N", help="scenes to draw, four pairs each (None: the profile's)")
    add("--parts", nargs="+", metavar="PART", help="parts of the body (None: all)")
    add("--learning-rate", type=float, metavar="RATE", help="highest learning rate (None: the profile's)")
    add("--single-share", type=float, metavar="SHARE", help="of the steps with one stage (None: the profile's)")
    add("--contrasts", nargs="+", metavar="NAME", help="contrasts (None: all)")
    add("--validation", type=int, default=12, metavar="N", help="further scenes, to measure the result")
    add_training_arguments(parser, drawn="pairs", n_workers=1)


def run(arguments: argparse.Namespace) -> int:
    """Draw, train, measure, write."""
    import torch

    from fetalt2prep.cli.training import start_from, train_in_chunks, training_card
    from fetalt2prep.core.denoise.unet.train import DenoiserTraining, TrainOptions, new_state
    from fetalt2prep.interfaces.account import Meter, software_versions
    from fetalt2prep.io.denoiser_weights import load_denoiser, save_denoiser
    from fetalt2prep.io.training_picture import write_training_picture
    from fetalt2prep.io.weights import write_card
    from fetalt2prep.sim.pairs.plan import CONTRASTS, PARTS, PairOptions
    from fetalt2prep.sim.pairs.pool import pair_pool

    meter = Meter()
    asked = {
        "n_steps": arguments.steps,
        "n_scenes": arguments.scenes,
        "learning_rate": arguments.learning_rate,
        "single_share": arguments.single_share,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    options = TrainOptions(**PROFILES[arguments.profile] | given, seed=arguments.seed, device=arguments.device)
    drawn = PairOptions(parts=tuple(arguments.parts or PARTS), contrasts=tuple(arguments.contrasts or CONTRASTS))
    torch.use_deterministic_algorithms(options.device == "cpu")
    out: Path = arguments.out
    smoke = arguments.profile == "smoke"
    n_unseen, n_workers = (1, 0) if smoke else (arguments.validation, arguments.workers)
    state = new_state(options)
    start_from(state, arguments.start_from, load_denoiser)
    unseen = pair_pool(out / "pairs", n_unseen, drawn, seed=VALIDATION_SEED + options.seed)
    with pair_pool(out / "pairs", options.n_scenes, drawn, seed=options.seed, n_workers=n_workers) as pool:
        state, curve = train_in_chunks(
            lambda state: DenoiserTraining(options, pool.read, state), state, options.n_steps,
            out / "checkpoint.pt", (options, drawn), score="gain (dB)", every_chunk=_now_and_then(options, unseen),
        )  # fmt: skip
    path = save_denoiser(state.network.cpu(), out / "denoiser.safetensors")
    measured = gains(load_denoiser(path), unseen)
    write_training_picture(curve, out / "denoiser_training.png", score="PSNR gain (dB)", validation="unseen scenes")
    made = training_card(arguments, options, curve, command=_command(arguments, options), smoke=smoke)
    card = write_card(path, _content(options, drawn) | made | {
        "unseen_simulated_slices": measured, "cost": meter.read(), "versions": software_versions(),
    })  # fmt: skip
    sys.stdout.write(f"PSNR gain on {n_unseen} unseen scenes: {measured['gain_db_mean']:.2f} dB (mean).\n")
    sys.stdout.write(f"Written: {path}, {card}\n")
    return 0


def _now_and_then(options: TrainOptions, unseen: ArrayPool) -> Callable[[Denoising], dict[str, float]]:
    """What is measured after a chunk: gains on unseen scenes, at every so many steps and at the end."""

    def measure(state: Denoising) -> dict[str, float]:
        if state.step % VALIDATE_EVERY and state.step < options.n_steps:
            return {}
        return {"validation": gains(state.network, unseen)["gain_db_mean"]}

    return measure


def gains(network: Any, unseen: ArrayPool) -> dict[str, float]:
    """PSNR gain over the measured slices of a pool, dB; identity pairs by themselves."""
    import numpy as np
    import torch

    from fetalt2prep.core.denoise.unet.train import gain_db
    from fetalt2prep.sim.pairs.plan import SNR

    found: list[tuple[float, bool]] = []
    device = next(network.parameters()).device
    network.eval()
    for n in range(unseen.n_arrays):
        pairs = unseen.read(n)
        measured, target = (
            torch.from_numpy(pairs[name].astype(np.float32))[:, None].to(device) for name in ("measured", "target")
        )
        with torch.no_grad():
            denoised = network(measured, torch.from_numpy(pairs["sigma"].copy()).to(device))[-1]
        quiet = pairs["error"] < 0.5 / SNR[1]
        found += list(zip(gain_db(target, measured, denoised).tolist(), quiet.tolist(), strict=True))
    noisy = np.array([gain for gain, is_quiet in found if not is_quiet])
    quiet_ones = np.array([gain for gain, is_quiet in found if is_quiet])
    return {
        "n_slices": len(noisy),
        "gain_db_mean": float(noisy.mean()) if len(noisy) else float("nan"),
        "gain_db_least": float(noisy.min()) if len(noisy) else float("nan"),
        "n_almost_without_noise": len(quiet_ones),
        "gain_db_mean_almost_without_noise": float(quiet_ones.mean()) if len(quiet_ones) else float("nan"),
    }


def _command(arguments: argparse.Namespace, options: TrainOptions) -> str:
    command = f"train-denoiser OUT --profile {arguments.profile} --steps {options.n_steps} --scenes {options.n_scenes}"
    return f"{command} --learning-rate {options.learning_rate:g} --single-share {options.single_share:g}"


def _content(options: TrainOptions, drawn: PairOptions) -> dict[str, Any]:
    """What the network is, what it was shown, and what it knows."""
    import dataclasses

    from fetalt2prep.core.denoise.unet.denoise import Ranges
    from fetalt2prep.sim.pairs.plan import ACCELERATION, PIXEL_MM, SNR, TE_S

    known = Ranges()
    return {
        "what": "bias-free residual U-Net with gated fidelity network, cascade with shared weights; 2D magnitudes",
        "data": f"{options.n_scenes} simulated scenes of fetalt2prep.sim.pairs, four slices each; no scan, no patient",
        "ranges": {
            "snr": list(known.snr), "matrix": list(known.matrix), "te_s": list(TE_S), "pixel_mm": list(PIXEL_MM),
            "acceleration": [1.0, ACCELERATION[1]], "snr_of_whole_pictures": list(SNR),
        },
        "drawn": dataclasses.asdict(drawn),
        "limits": LIMITS,
    }  # fmt: skip
