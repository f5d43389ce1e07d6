"""What stimulated echoes make of an exponential: a table over T2 and B1, read between its nodes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fetalt2prep.core.epg import echo_train, refocusing_train

NODE_STEP = 0.05  # of log R2
B1_STEP = 0.02


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """The echo train of a protocol; echo ``n``, counted from 1, of a train is at ``n * spacing_s``."""

    spacing_s: float
    """Between echoes, seconds; stretched or shrunk a little so that an echo falls on each TE."""
    refocusing_deg: float
    """Nominal angle of the refocusing pulses; the first is 90 degrees and half of it."""
    t1_s: float = 2.2
    """T1 of the tissue. T2 hardly depends on it: fetal brain has 1.7 to 2.7 s."""
    b1_range: tuple[float, float] = (0.5, 1.3)
    """Actual over nominal angle: what the table covers."""

    def __post_init__(self) -> None:
        for name in ("spacing_s", "t1_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"echo train: {name} is {getattr(self, name):g}; it must be positive, in seconds.")
        if self.spacing_s > 0.1:
            raise ValueError(f"echo train: spacing_s is {self.spacing_s:g}; seconds are wanted, e.g. 0.005.")
        if not 60.0 <= self.refocusing_deg <= 180.0:
            raise ValueError(f"echo train: refocusing_deg is {self.refocusing_deg:g}; it lies from 60 to 180 degrees.")
        if not 0 < self.b1_range[0] < 1 < self.b1_range[1] < 2:
            raise ValueError(f"echo train: b1_range is {self.b1_range}; give two numbers with 1 between.")

    def echo_of(self, te_s: float) -> int:
        """Number of the echo, from 1, that a TE is nearest to.

        Raises
        ------
        ValueError
            No echo is within a quarter of the spacing, or the TE is below the first echo: another spacing was used.
        """
        number = round(te_s / self.spacing_s)
        if number < 1 or abs(te_s / number - self.spacing_s) > 0.25 * self.spacing_s:
            raise ValueError(
                f"echo time {te_s:g} s is no multiple of the echo spacing {self.spacing_s:g} s; give the protocol's "
                "spacing, in seconds."
            )
        return number


@dataclass(frozen=True, kw_only=True)
class TrainTable:
    """Logarithm of the train's echo over ``exp(-TE / T2)``, and its derivative by log R2, at equally spaced nodes."""

    values: Tensor
    """(b1, log r2, 2, echo): value, derivative."""
    first_log_r2: float
    b1_nodes: Tensor

    def ratio(self, r2: Tensor, b1: Tensor) -> tuple[Tensor, Tensor]:
        """Log ratio and its derivative by r2, (echo, voxel): cubic Hermite in log r2, linear in B1; both (voxel,)."""
        n_b1, n_r2 = self.values.shape[:2]
        column, share_b1 = _between((b1 - self.b1_nodes[0]) / B1_STEP, n_b1)
        row, t = _between((torch.log(r2) - self.first_log_r2) / NODE_STEP, n_r2)
        rows = self.values.reshape(n_b1 * n_r2, -1)

        def at(b1_idx: Tensor, r2_idx: Tensor) -> Tensor:  # (2, echo, voxel)
            return rows[b1_idx * n_r2 + r2_idx].T.reshape(*self.values.shape[2:], -1)

        low = at(column, row) * (1 - share_b1) + at(column + 1, row) * share_b1
        high = at(column, row + 1) * (1 - share_b1) + at(column + 1, row + 1) * share_b1
        rise, m0, m1 = high[0] - low[0], low[1] * NODE_STEP, high[1] * NODE_STEP
        square, bend = m0 + m1 - 2 * rise, 3 * rise - 2 * m0 - m1
        value = low[0] + t * (m0 + t * (bend + t * square))
        slope = (m0 + t * (2 * bend + t * 3 * square)) / NODE_STEP
        return value, slope / r2


def train_table(train: TrainOptions, te_s: Tensor, t2_range_s: tuple[float, float]) -> TrainTable:
    """Table for echo times (echo,), float64, on their device; a node beyond each bound of T2 and of B1.

    Exact extended phase graphs at every node (core.epg): 5 % apart in T2 and 0.02 in B1, one of them at B1 = 1.
    """
    first = math.log(1.0 / t2_range_s[1]) - NODE_STEP
    n_r2 = math.ceil((math.log(1.0 / t2_range_s[0]) + NODE_STEP - first) / NODE_STEP) + 1
    log_r2 = first + NODE_STEP * torch.arange(n_r2, dtype=torch.float64, device=te_s.device)
    below, above = (math.ceil(abs(end - 1.0) / B1_STEP - 1e-9) for end in train.b1_range)
    b1 = 1.0 + B1_STEP * torch.arange(-below, above + 1, dtype=torch.float64, device=te_s.device)
    n_b1 = len(b1)
    t2 = torch.exp(-log_r2)[None].expand(n_b1, -1)
    b1_grid = b1[:, None].expand_as(t2)
    numbers = [train.echo_of(float(te)) for te in te_s]
    trains: dict[float, Tensor] = {}
    longest = {round(float(te) / n, 9): 0 for te, n in zip(te_s, numbers, strict=True)}
    for te, n in zip(te_s, numbers, strict=True):  # one train for all echo times that have its spacing
        longest[round(float(te) / n, 9)] = max(n, longest[round(float(te) / n, 9)])
    for spacing, n_echoes in longest.items():
        angles = refocusing_train(n_echoes, math.radians(train.refocusing_deg))
        trains[spacing] = echo_train(torch.full_like(t2, train.t1_s), t2, spacing, angles, b1=b1_grid)
    ratios = []
    for te, n in zip(te_s, numbers, strict=True):
        echo = trains[round(float(te) / n, 9)][n - 1]
        ratios.append(torch.log(echo.abs().clamp(min=1e-300)) + te / t2)
    value = torch.stack(ratios, -1)  # (b1, r2, echo)
    slope = torch.gradient(value, spacing=NODE_STEP, dim=1, edge_order=2)[0]
    return TrainTable(values=torch.stack((value, slope), 2).contiguous(), first_log_r2=first, b1_nodes=b1)


def _between(place: Tensor, n_nodes: int) -> tuple[Tensor, Tensor]:
    """Node below each place and the share of the way to the next; what lies beyond takes the border."""
    inside = place.clamp(0, n_nodes - 1)
    low = inside.long().clamp(max=n_nodes - 2)
    return low, inside - low
