"""Learning to outline the brain: what is shown, what is lost by a wrong answer, and one step after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from fetalt2prep.core.mask.network import BRIGHTEST, N_NEIGHBOURS, MaskNet
from fetalt2prep.core.train_state import TrainState, n_joined
from fetalt2prep.core.training import Training

READ = Callable[[int], NDArray[np.float16]]
"""Gives picture ``n``, (2, slice, y, x): pixels and share of brain."""


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How to train; lengths in steps, sizes in pixels."""

    seed: int = 0
    n_steps: int = 5000
    batch_size: int = 16
    crop: int = 96
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    warm_up: int = 100
    n_pictures: int = 2000
    n_first: int = 64
    """Pictures with which it begins; the others join evenly until the end, so that they can be drawn meanwhile."""
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("n_steps", "batch_size", "crop", "n_pictures", "n_first"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1.")


MaskState = TrainState[MaskNet]
"""Its score is the soft Dice overlap."""


class MaskTraining(Training[TrainOptions, READ, MaskNet]):
    """One batch, one step of AdamW."""

    longest_gradient = 5.0

    def new_state(self) -> MaskState:
        """See :func:`new_state`."""
        return new_state(self.options)

    def backward(self, state: MaskState) -> tuple[Tensor, Tensor]:
        """Of cross entropy and overlap; the score is the overlap."""
        images, targets = draw_batch(self.options, self.samples, state.step)
        images = images.to(self.options.device, memory_format=torch.channels_last)
        targets = targets.to(self.options.device)
        logits = state.network(images)
        overlap = soft_dice(logits, targets)
        loss = functional.binary_cross_entropy_with_logits(logits, targets) + 1 - overlap
        loss.backward()
        return loss.detach(), overlap.detach()


def new_state(options: TrainOptions) -> MaskState:
    """A network of the seed's making and its optimiser."""
    torch.manual_seed(options.seed)
    network = MaskNet().to(options.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return TrainState(network, _optimizer(network, options))


def _optimizer(network: MaskNet, options: TrainOptions) -> torch.optim.Optimizer:
    return torch.optim.AdamW(network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay)


def soft_dice(logits: Tensor, targets: Tensor) -> Tensor:
    """Overlap of probabilities and shares over the whole batch, 0 to 1; logits and targets: (n, y, x)."""
    probability = torch.sigmoid(logits)
    shared = (probability * targets).sum()
    return (2 * shared + 1.0) / (probability.square().sum() + targets.square().sum() + 1.0)


def n_available(options: TrainOptions, step: int) -> int:
    """Pictures that may be shown at a step."""
    return n_joined(options.n_pictures, options.n_first, step, options.n_steps)


def draw_batch(options: TrainOptions, read: READ, step: int) -> tuple[Tensor, Tensor]:
    """Images (n, 3, crop, crop) and shares of brain (n, crop, crop) of a step."""
    rng = np.random.default_rng([options.seed, step])
    n_known = n_available(options, step)
    samples = [_draw_sample(rng, read(int(rng.integers(n_known))), options.crop) for _ in range(options.batch_size)]
    images, targets = (np.stack(column) for column in zip(*samples, strict=True))
    return torch.from_numpy(images), torch.from_numpy(targets)


def _draw_sample(
    rng: np.random.Generator, picture: NDArray[np.float16], crop: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A slice with its neighbours: cut out, turned, mirrored; of other brightness, gamma, field, sharpness, noise."""
    n_slices, n_y, n_x = picture.shape[1:]
    k = int(rng.integers(n_slices))
    around = np.clip(np.arange(k - N_NEIGHBOURS, k + N_NEIGHBOURS + 1), 0, n_slices - 1)
    if rng.random() < 0.5:
        around = around[::-1]
    target = picture[1, k]
    corner = rng.integers(0, (n_y - crop + 1, n_x - crop + 1))
    brain = np.argwhere(target > 0.5)
    if len(brain) and rng.random() < 0.7:
        middle = brain[rng.integers(len(brain))] + rng.integers(-crop // 3, crop // 3 + 1, 2)
        corner = np.clip(middle - crop // 2, 0, (n_y - crop, n_x - crop))
    y, x = (slice(int(low), int(low) + crop) for low in corner)
    image = picture[0, around, y, x].astype(np.float32)
    share = target[y, x].astype(np.float32)
    if rng.random() < 0.5:  # a field of coils near by
        coarse = 0.35 * rng.standard_normal((3, 3))
        image *= np.exp(ndimage.zoom(coarse, crop / 3, order=1, grid_mode=True, mode="nearest")).astype(np.float32)
    if rng.random() < 0.25:
        image = ndimage.gaussian_filter(image, (0, *rng.uniform(0.3, 1.2, 2)))
    gain, gamma = np.exp(0.4 * rng.standard_normal()), np.exp(rng.uniform(-0.5, 0.4))
    if rng.random() < 0.2:  # what is dark is brought out, fluid is cut
        gain *= rng.uniform(1.5, 4.0)
    image = (np.minimum(image * gain, BRIGHTEST) ** gamma).astype(np.float32)
    image += (rng.random() < 0.3) * rng.uniform(0, 0.05) * rng.standard_normal(image.shape, np.float32)
    n_turns, mirrored = int(rng.integers(4)), rng.random() < 0.5
    image, share = np.rot90(image, n_turns, (1, 2)), np.rot90(share, n_turns)
    if mirrored:
        image, share = image[:, ::-1], share[::-1]
    return np.ascontiguousarray(image, np.float32), np.ascontiguousarray(share)
