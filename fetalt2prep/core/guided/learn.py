"""Training of the network on the two terms alone; no fine map is ever shown to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from fetalt2prep.core.guided.given import CoarseMaps, Guide
from fetalt2prep.core.guided.network import GuidedNet, Shown, slot_of
from fetalt2prep.core.guided.refine_network import Switches, look_at
from fetalt2prep.core.guided.stages import anchor_of, guide_sigma
from fetalt2prep.core.guided.terms import GuideTerm, Term
from fetalt2prep.core.train_state import TrainState
from fetalt2prep.core.training import Training
from fetalt2prep.core.truncation import KSpaceTruncation


@dataclass(frozen=True, kw_only=True)
class LearnOptions:
    """How to train; lengths in steps, sides in voxels."""

    seed: int = 0
    n_steps: int = 400
    batch_size: int = 1
    side: int = 32
    learning_rate: float = 3e-3
    warm_up: int = 30
    width: int = 24
    n_blocks: int = 4
    switches: Switches = field(default_factory=Switches)
    """What the network is given."""
    guides: tuple[str, ...] = ("t1w", "t2w")
    """Guides that it is trained with."""
    drop_guide: float = 0.3
    """Share of samples in which one of the guides is not shown, so that one network serves one guide or two."""
    n_heads: int = 32
    n_first: int = 8
    """Heads with which it begins; the others join evenly, so that they can be drawn meanwhile."""
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("n_steps", "batch_size", "side", "width", "n_blocks", "n_heads", "n_first", "warm_up"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if not 0 <= self.drop_guide <= 1:
            raise ValueError(f"drop_guide is {self.drop_guide}; it lies between 0 and 1.")


@dataclass(frozen=True)
class Lesson:
    """One sample: coarse maps, those guides that are shown, and their scale, known exactly and as it is found."""

    coarse: CoarseMaps
    guides: Sequence[Guide]
    gains: Mapping[str, float]
    found_gains: Mapping[str, float]
    see: KSpaceTruncation
    mask: Tensor


Draw = Callable[[int, int], Lesson]
"""Step and number in the batch -> sample; the same numbers give the same sample."""
Learning = TrainState[GuidedNet]


class GuidedTraining(Training[LearnOptions, Draw, GuidedNet]):
    """One batch, one step of Adam."""

    def new_state(self) -> Learning:
        """See :func:`new_state`."""
        return new_state(self.options)

    def backward(self, state: Learning) -> tuple[Tensor, Tensor]:
        """Of the mean over a batch; the score is the loss."""
        options = self.options
        total = torch.zeros((), device=options.device)
        for number in range(options.batch_size):  # grids differ from sample to sample
            loss = two_terms(state.network, self.samples(state.step, number), options.switches) / options.batch_size
            loss.backward()
            total = total + loss.detach()
        return total, total


def new_state(options: LearnOptions) -> Learning:
    """A network of the seed's making and its optimiser."""
    torch.manual_seed(options.seed)
    network = GuidedNet(options.width, options.n_blocks).to(options.device)
    return TrainState(network, torch.optim.Adam(network.parameters(), lr=options.learning_rate))


def two_terms(network: GuidedNet, lesson: Lesson, switches: Switches) -> Tensor:
    """Cost of the network's answer, per voxel of the mask; guides that are not shown are not asked for either."""
    shown = {slot_of(g.model): Shown(image=g.image / lesson.found_gains[g.name], model=g.model) for g in lesson.guides}
    look = look_at(lesson.coarse, shown, lesson.see, lesson.mask, switches)
    answer = network(look.base, look.channels)
    return torch.stack([term(answer) for term in terms_of(lesson, switches)]).sum() / lesson.mask.sum()


def terms_of(lesson: Lesson, switches: Switches) -> list[Term]:
    """The two terms of a sample, of the same making as those of the fit of one subject."""
    inside = lesson.mask.to(lesson.coarse.pd.dtype)
    terms: list[Term] = []
    for guide in lesson.guides:
        gain = lesson.gains[guide.name]
        sigma = guide_sigma(guide, lesson.mask) / gain
        terms.append(GuideTerm(image=guide.image / gain, model=guide.model, sigma=sigma, weight=inside))
    return [*terms, anchor_of(lesson.coarse, lesson.see, inside)] if switches.anchor else terms
