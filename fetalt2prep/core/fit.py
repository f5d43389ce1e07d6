"""The one optimisation loop: a method is how to start and how to step; stopping is a value whose text is advice."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, Protocol, TypeVar

from torch import Tensor

State = TypeVar("State")


class Stop(Enum):
    """Why a fit ended; the value is advice."""

    CONVERGED = "The loss stopped falling: more steps would change nothing."
    MAX_STEPS = "All planned steps were taken."
    NON_FINITE = (
        "The loss became infinite or NaN; the last good state was kept. "
        "Look for NaN or extreme intensities in the stacks, or try another seed."
    )


class Method(Protocol[State]):
    """An iterative method: ``start`` makes the state, ``step`` improves it and returns the loss before the step."""

    def start(self) -> State:
        """Initial state."""
        ...

    def step(self, state: State, i: int) -> tuple[State, Tensor]:
        """State after step ``i`` and the loss (scalar tensor, left on its device)."""
        ...

    def snapshot(self, state: State) -> State:
        """A copy that later steps do not change."""
        ...


@dataclass(frozen=True)
class Fit(Generic[State]):
    """Final state, why the loop stopped, and the losses that were looked at (every ``check_every`` steps)."""

    state: State
    stop: Stop
    losses: tuple[float, ...]
    n_steps: int


def fit(
    method: Method[State],
    n_steps: int,
    *,
    check_every: int = 10,
    tolerance: float = 0.0,
    on_step: Callable[[int, float], None] | None = None,
) -> Fit[State]:
    """Take up to ``n_steps`` steps; read the loss every ``check_every`` (a read waits for the device).

    Stops early when the loss is not finite (the last good state is returned) or falls by less than ``tolerance``
    of itself between two readings. ``on_step(i, loss)`` is called at every reading.
    """
    state = method.start()
    good = method.snapshot(state)
    losses: list[float] = []
    for i in range(n_steps):
        look = (i + 1) % check_every == 0 or i + 1 == n_steps
        before = method.snapshot(state) if look else good
        state, loss = method.step(state, i)
        if not look:
            continue
        value = float(loss)
        if not math.isfinite(value):
            return Fit(good, Stop.NON_FINITE, tuple(losses), i + 1)
        good = before  # the state whose loss was found finite, not the one after it
        losses.append(value)
        if on_step is not None:
            on_step(i + 1, value)
        if len(losses) > 1 and abs(losses[-2] - value) < tolerance * abs(value):
            return Fit(state, Stop.CONVERGED, tuple(losses), i + 1)
    return Fit(state, Stop.MAX_STEPS, tuple(losses), n_steps)
