"""The one loop: how it stops and what it keeps."""

from __future__ import annotations

import math

import pytest
import torch

from fetalt2prep.core.fit import Stop, fit


class Halving:
    """State is a one-element list, changed in place; the loss is the value before the step."""

    def __init__(self, broken_at: int | None = None, broken_state: bool = False, factor: float = 0.5) -> None:
        self.broken_at, self.broken_state, self.factor = broken_at, broken_state, factor

    def start(self):
        return [1.0]

    def step(self, state, i):
        loss = state[0]
        state[0] *= self.factor
        if i == self.broken_at:
            if self.broken_state:
                state[0] = math.nan
            else:
                loss = math.inf
        return state, torch.tensor(loss)

    def snapshot(self, state):
        return list(state)


def test_takes_all_steps_and_reads_the_loss_now_and_then():
    seen = []
    result = fit(Halving(), 25, check_every=10, on_step=lambda i, loss: seen.append((i, loss)))
    assert result.stop is Stop.MAX_STEPS
    assert result.n_steps == 25
    assert result.state == [0.5**25]
    assert [i for i, _ in seen] == [10, 20, 25]
    assert result.losses == pytest.approx([0.5**9, 0.5**19, 0.5**24])
    assert tuple(loss for _, loss in seen) == result.losses


def test_stops_when_the_loss_no_longer_falls():
    result = fit(Halving(factor=0.999), 1000, check_every=1, tolerance=0.01)
    assert result.stop is Stop.CONVERGED
    assert result.n_steps == 2
    assert fit(Halving(), 50, check_every=1, tolerance=0.01).stop is Stop.MAX_STEPS


def test_a_loss_that_is_not_finite_brings_back_the_last_good_state():
    seen = []
    result = fit(Halving(broken_at=5), 20, check_every=2, on_step=lambda i, loss: seen.append(i))
    assert result.stop is Stop.NON_FINITE
    assert result.n_steps == 6
    assert result.state == [0.5**3]  # the last state whose own loss was seen to be finite
    assert seen == [2, 4]
    assert all(math.isfinite(loss) for loss in result.losses)


def test_a_loss_that_starts_infinite_brings_back_the_start():
    result = fit(Halving(broken_at=0), 20, check_every=1)
    assert (result.stop, result.state, result.losses) == (Stop.NON_FINITE, [1.0], ())


@pytest.mark.parametrize("check_every", [1, 2])
def test_a_step_that_breaks_the_state_is_not_kept(check_every):
    """The loss is that before the step: the state after a finite loss may already be broken."""
    result = fit(Halving(broken_at=3, broken_state=True), 20, check_every=check_every)
    assert result.stop is Stop.NON_FINITE
    assert math.isfinite(result.state[0])


def test_no_steps_is_the_start():
    assert fit(Halving(), 0).state == [1.0]


def test_every_reason_is_a_sentence():
    assert all(stop.value.endswith((".", "seed.")) for stop in Stop)
