"""The published motion model: one small sinusoidal network gives the pose of every slice from its place in the session.

arXiv 2508.10680 and its code: a SIREN of 128 units and three hidden layers after the first, omega 30, fed with the
index of the slice over all stacks. Neighbours in the index then move alike, whether they were acquired one after the
other or not; that is its weakness beside free poses. Here the network follows the same registration as free poses do:
after each step it is fitted to the poses that the step asks for, and what it can say is kept.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fetalt2prep.core.field.siren import Siren
from fetalt2prep.core.geometry import Grid, Rigid, rotation_vector

WIDTH, DEPTH = 128, 3
STEPS, RATE = 60, 5e-4  # of Adam after each registration; the rate as published
SHIFT_SCALE_MM = 10.0  # per unit of output, where rotations have 1 rad


class MotionSiren(nn.Module):
    """Poses of all slices relative to ``base``; at the start ``base`` itself, for the last layer is zero."""

    def __init__(self, base: Rigid, seed: int) -> None:
        """base: poses of the slices, (slice,), when slices begin to move by themselves."""
        super().__init__()
        self.base = base
        n_slices = len(base.shift_mm)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            line = Grid((0.0, 0.0, 0.0), 1.0, (1, 1, 1))
            self.features = Siren(line, WIDTH, DEPTH)
            self.last = nn.Linear(WIDTH, 6)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        place = torch.zeros(n_slices, 3)
        place[:, 0] = 45.0 * torch.linspace(-1, 1, n_slices)  # the encoding divides by 45
        self.register_buffer("place", place)
        self.to(base.shift_mm.device)
        self._optimiser = torch.optim.Adam(self.parameters(), lr=RATE)

    place: Tensor

    def forward(self) -> Tensor:
        """Rotation vector (rad) and shift (in units of ``SHIFT_SCALE_MM``) of every slice, (slice, 6)."""
        return self.last(self.features(self.place))

    def poses(self) -> Rigid:
        """Poses as the network has them."""
        with torch.no_grad():
            found = self()
        return self.base.nudged(found[:, :3], SHIFT_SCALE_MM * found[:, 3:])

    @torch.enable_grad()
    def follow(self, wanted: Rigid, weight: Tensor) -> Rigid:
        """Fit the network to poses with the same centres, weight (slice,) each, and return what it makes of them."""
        turn = rotation_vector(wanted.rotation @ self.base.rotation.transpose(-1, -2))
        target = torch.cat((turn, (wanted.shift_mm - self.base.shift_mm) / SHIFT_SCALE_MM), 1).detach()
        share = (weight / weight.sum().clamp(min=1e-9)).detach()
        for _ in range(STEPS):
            loss = (share[:, None] * (self() - target).square()).sum()
            self._optimiser.zero_grad()
            loss.backward()
            self._optimiser.step()
        return self.poses()
