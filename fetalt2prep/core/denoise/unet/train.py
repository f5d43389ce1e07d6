"""Learning to denoise: pairs that are cut, turned and mirrored, and one step after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fetalt2prep.core.denoise.unet.cascade import DenoisingCascade
from fetalt2prep.core.denoise.unet.loss import WEIGHT_L1, cascade_loss
from fetalt2prep.core.denoise.unet.network import WIDTHS
from fetalt2prep.core.train_state import TrainState, n_joined
from fetalt2prep.core.training import Training

Read = Callable[[int], NDArray[Any]]
"""Gives scene ``n``: its pairs, (slice,), with the fields ``measured``, ``target``, ``sigma`` and ``error``."""
SIGMA_SPREAD = 0.08
"""Of the noise that the network is told, as the estimate in use has a spread."""
EVEN_ERROR, WEIGHTS = 0.05, (0.3, 4.0)
"""A picture's difference weighs by the root of this error (the bright level is 1) over its own, within these bounds."""
TOLD_ERROR_SHARE = 0.3
"""Of samples that are told their true error instead of the estimate from the image."""


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How to train; lengths in steps, sizes in pixels."""

    seed: int = 0
    n_steps: int = 2200
    batch_size: int = 8
    crop: int = 80
    learning_rate: float = 2e-3
    warm_up: int = 50
    single_share: float = 0.75
    """Share of the steps with one stage of the cascade; then all (doi:10.1109/TMI.2018.2865356 begins so too)."""
    n_stages: int = 2
    widths: tuple[int, ...] = WIDTHS
    weight_l1: float = WEIGHT_L1
    n_scenes: int = 320
    n_first: int = 64
    """Scenes with which it begins; the others join evenly, so that they can be drawn meanwhile."""
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("n_steps", "batch_size", "crop", "n_scenes", "n_first", "n_stages", "warm_up"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if not 0 <= self.single_share <= 1:
            raise ValueError(f"single_share is {self.single_share}; it lies between 0 and 1.")


Denoising = TrainState[DenoisingCascade]


class DenoiserTraining(Training[TrainOptions, Read, DenoisingCascade]):
    """One batch, one step of Adam; half precision on a GPU alone."""

    def new_state(self) -> Denoising:
        """See :func:`new_state`."""
        return new_state(self.options)

    def backward(self, state: Denoising) -> tuple[Tensor, Tensor]:
        """Of the stages that are trained at this step; the score is the gain in PSNR, dB."""
        options, network = self.options, state.network
        measured, target, sigma, weight = (
            part.to(options.device) for part in draw_batch(options, self.samples, state.step)
        )
        single = state.step < options.single_share * options.n_steps
        network.n_stages = 1 if single else options.n_stages
        with torch.autocast("cuda", torch.bfloat16, enabled=options.device.startswith("cuda")):
            found = network(measured.contiguous(memory_format=torch.channels_last), sigma)
        loss = cascade_loss(target, [x.float() for x in found], network.n_stages, options.weight_l1, weight)
        network.n_stages = options.n_stages
        loss.backward()
        return loss.detach(), gain_db(target, measured, found[-1].detach()).mean()


def new_state(options: TrainOptions) -> Denoising:
    """A network of the seed's making and its optimiser."""
    torch.manual_seed(options.seed)
    network = DenoisingCascade(options.widths, options.n_stages).to(options.device)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return TrainState(network, torch.optim.Adam(network.parameters(), lr=options.learning_rate))


def gain_db(target: Tensor, measured: Tensor, found: Tensor) -> Tensor:
    """Gain in peak signal-to-noise ratio over the measured picture, (b,)."""
    before, after = ((x - target).square().mean((1, 2, 3)).clamp(min=1e-12) for x in (measured, found))
    return 10 * torch.log10(before / after)


def draw_batch(options: TrainOptions, read: Read, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Measured and target (n, 1, crop, crop), the noise that the network is told, and the weight in the loss (n,)."""
    rng = np.random.default_rng([options.seed, step])
    n_known = n_joined(options.n_scenes, options.n_first, step, options.n_steps)
    samples = [_draw_sample(rng, read(int(rng.integers(n_known))), options.crop) for _ in range(options.batch_size)]
    measured, target, sigma, weight = (torch.from_numpy(np.stack(c)) for c in zip(*samples, strict=True))
    return measured[:, None], target[:, None], sigma, weight


def _draw_sample(
    rng: np.random.Generator, pairs: NDArray[Any], crop: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], np.float32, np.float32]:
    """A part of one slice, turned and mirrored; no gain, since the network has the same answer at every gain.

    Differences of pictures with little noise weigh more, or those with much would be all that is learned from.
    """
    pair = pairs[int(rng.integers(len(pairs)))]
    n_x, n_y = pair["measured"].shape
    if min(n_x, n_y) < crop:
        raise ValueError(f"pictures of {n_x} x {n_y} are smaller than the crop of {crop}.")
    corner = rng.integers(0, (n_x - crop + 1, n_y - crop + 1))
    if rng.random() < 0.7:  # where there is signal
        middle = rng.permutation(np.argwhere(pair["target"][::4, ::4] > 0.1))[:1].reshape(-1) * 4
        if len(middle):
            corner = np.clip(middle - crop // 2, 0, (n_x - crop, n_y - crop))
    x, y = (slice(int(low), int(low) + crop) for low in corner)
    n_turns, flipped = int(rng.integers(4)), rng.random() < 0.5
    planes = [np.rot90(pair[name][x, y].astype(np.float32), n_turns) for name in ("measured", "target")]
    measured, target = (np.ascontiguousarray(p[::-1] if flipped else p) for p in planes)
    told = pair["error"] if rng.random() < TOLD_ERROR_SHARE else pair["sigma"]
    told = told * np.exp(SIGMA_SPREAD * rng.standard_normal())
    weight = np.clip((EVEN_ERROR / max(float(pair["error"]), 1e-6)) ** 0.5, *WEIGHTS)
    return measured, target, np.float32(told), np.float32(weight)
