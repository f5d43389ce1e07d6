"""Maps of one subject by its own guides and coarse data; no training set.

    maps = argmin  sum_g |S_g(maps) - W_g|^2 / 2 sigma_g^2  +  |D maps - coarse|^2 / 2 sigma^2  +  edges

The first two are maximum a posteriori inference as published; the third holds what they leave open. A grid of values,
Adam, learning rate falling to zero along a cosine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fetalt2prep.core.fit import Fit, fit
from fetalt2prep.core.guided.terms import Term
from fetalt2prep.core.guided.unknowns import Coordinates, Maps

LEARNING_RATE = 0.1


@dataclass
class State:
    """Values of the unknowns (coordinate, voxel) with Adam's memory."""

    values: Tensor
    optimiser: torch.optim.Adam


@dataclass(frozen=True, kw_only=True)
class SubjectFit:
    """Adam on the coordinates of the voxels inside a mask (:class:`fetalt2prep.core.fit.Method`)."""

    first: Maps
    coordinates: Coordinates
    mask: Tensor  # (*grid), bool
    terms: Sequence[Term]
    n_steps: int

    def start(self) -> State:
        """Coordinates of the first maps."""
        values = self.coordinates.values(self.first)[:, self.mask].detach().clone().requires_grad_()
        return State(values, torch.optim.Adam([values], lr=LEARNING_RATE, betas=(0.9, 0.99)))

    def step(self, state: State, i: int) -> tuple[State, Tensor]:
        """One step of Adam."""
        for group in state.optimiser.param_groups:
            group["lr"] = LEARNING_RATE * (0.5 + 0.5 * math.cos(math.pi * i / self.n_steps))
        state.optimiser.zero_grad(set_to_none=True)
        maps = self.maps(state.values)
        loss = torch.stack([term(maps) for term in self.terms]).sum() / state.values.shape[1]
        loss.backward()
        state.optimiser.step()
        return state, loss.detach()

    def snapshot(self, state: State) -> State:
        """Values are copied; Adam's memory is not needed in a state that is kept."""
        return State(state.values.detach().clone(), state.optimiser)

    def maps(self, values: Tensor) -> Maps:
        """(coordinate, voxel) -> maps on the grid, those outside the mask as they came in."""
        found = self.coordinates.maps(values)
        parts = [
            before.to(after.dtype).masked_scatter(self.mask, after) if before.shape == self.mask.shape else after
            for before, after in zip(
                (self.first.pd, self.first.r1, self.first.r2), (found.pd, found.r1, found.r2), strict=True
            )
        ]
        return Maps(*parts)


def fit_subject(method: SubjectFit, on_step: Callable[[int, float], None] | None = None) -> tuple[Maps, Fit[State]]:
    """Run the fit; maps (*grid) and how it went."""
    result = fit(method, method.n_steps, check_every=20, on_step=on_step)
    with torch.no_grad():
        return method.maps(result.state.values.detach()), result
