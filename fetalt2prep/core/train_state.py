"""What training any network keeps between steps, and the course of its rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


@dataclass
class TrainState(Generic[Network]):
    """Network, optimiser and the number of steps taken."""

    network: Network
    optimizer: torch.optim.Optimizer
    step: int = 0
    score: float = 0.0
    """Running mean of how good the answers are."""

    def note(self, score: float) -> None:
        """Take a batch's score into the running mean."""
        self.score += 0.01 * (score - self.score)


def state_dict(state: TrainState[Network]) -> dict[str, Any]:
    """All that is needed to go on later."""
    return {
        "network": state.network.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "step": state.step,
        "score": state.score,
    }


def load_state(stored: dict[str, Any], fresh: TrainState[Network]) -> TrainState[Network]:
    """A fresh state made what :func:`state_dict` described; returns it."""
    fresh.network.load_state_dict(stored["network"])
    fresh.optimizer.load_state_dict(stored["optimizer"])
    fresh.step, fresh.score = int(stored["step"]), float(stored["score"])
    return fresh


def set_rate(state: TrainState[Network], highest: float, n_steps: int, warm_up: int) -> None:
    """Give the optimiser this step's rate: it rises evenly, then falls along a cosine to nothing."""
    rate = highest * min((state.step + 1) / warm_up, 1.0)
    rate *= 0.5 * (1 + math.cos(math.pi * min(state.step / n_steps, 1.0)))
    for group in state.optimizer.param_groups:
        group["lr"] = rate


def n_joined(n_all: int, n_first: int, step: int, n_steps: int) -> int:
    """Drawings that may be shown at a step: the first ones at once, the others evenly until near the end."""
    return max(1, min(n_all, n_first + int((n_all - n_first) * step / (0.92 * n_steps))))
