"""What the trainings of all networks share: a method for :func:`fetalt2prep.core.fit.fit` on a stored state."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Generic, Protocol, TypeVar

from torch import Tensor, nn

from fetalt2prep.core.train_state import Network, TrainState, set_rate


class Schedule(Protocol):
    """Course of a training; lengths in steps."""

    @property
    def n_steps(self) -> int:
        """How many are planned."""
        ...

    @property
    def learning_rate(self) -> float:
        """The highest rate."""
        ...

    @property
    def warm_up(self) -> int:
        """Steps in which the rate rises to it."""
        ...


Options = TypeVar("Options", bound=Schedule)
Samples = TypeVar("Samples")


class Training(ABC, Generic[Options, Samples, Network]):
    """Batches depend on the seed and the step alone, so that a training goes on from any state as if never stopped.

    ``samples`` gives what batches are made of; ``state`` is where to go on, None: from a new network.
    """

    longest_gradient = 1.0
    """A longer one is cut to this length (2-norm over all weights)."""

    def __init__(self, options: Options, samples: Samples, state: TrainState[Network] | None = None) -> None:
        self.options, self.samples, self._state = options, samples, state

    @abstractmethod
    def new_state(self) -> TrainState[Network]:
        """A network of the seed's making and its optimiser."""

    @abstractmethod
    def backward(self, state: TrainState[Network]) -> tuple[Tensor, Tensor]:
        """Leave the gradient of a batch's loss in the network; returns the loss and the score, scalars, detached."""

    def start(self) -> TrainState[Network]:
        """The state that was given, else a new one."""
        return self._state if self._state is not None else self.new_state()

    def step(self, state: TrainState[Network], i: int) -> tuple[TrainState[Network], Tensor]:
        """One batch, one step of the optimiser."""
        set_rate(state, self.options.learning_rate, self.options.n_steps, self.options.warm_up)
        state.network.train()
        state.optimizer.zero_grad()
        loss, score = self.backward(state)
        nn.utils.clip_grad_norm_(state.network.parameters(), self.longest_gradient)
        state.optimizer.step()
        state.step += 1
        state.note(float(score))
        return state, loss

    def snapshot(self, state: TrainState[Network]) -> TrainState[Network]:
        """A copy."""
        return copy.deepcopy(state)
