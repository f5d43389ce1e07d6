"""Which echo times measure T2 best, and how far given ones are from that."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fetalt2prep.core.t2.precision import t2_precision

T2_OF_FIELD = {0.55: (0.15, 0.35), 1.5: (0.15, 0.30), 3.0: (0.15, 0.30)}
"""Field (T) -> range of T2 of fetal brain tissue, seconds: 0.55 T from arXiv:2508.10680 (247 ms cortex, 339 ms white
matter) and room for deep grey matter; 1.5 and 3 T from FaBiAN (172 to 300 ms)."""
N_T2 = 9
COARSE_S, FINE_S = 0.010, 0.001
MOVE_STEPS = 40


@dataclass(frozen=True, kw_only=True)
class ProtocolOptions:
    """What the scanner can do and what is to be measured."""

    t2_range_s: tuple[float, float] = (0.15, 0.35)
    """T2 of the tissues, seconds: the worst precision within counts."""
    te_range_s: tuple[float, float] = (0.080, 0.700)
    """Shortest and longest echo time the sequence allows, seconds."""
    gap_s: float = 0.040
    """Least distance of two echo times, seconds: a third time shows whether the decay is exponential."""
    snr: float = 50.0
    """S0 over the noise of one echo."""

    def __post_init__(self) -> None:
        for name in ("t2_range_s", "te_range_s"):
            low, high = getattr(self, name)
            if not 0 < low < high < 5.0:
                raise ValueError(f"protocol: {name} is {low:g} to {high:g}; give seconds, the smaller one first.")
        if not 0 < self.gap_s < self.te_range_s[1] - self.te_range_s[0]:
            raise ValueError(f"protocol: gap_s is {self.gap_s:g}; it must be positive and fit between the echo times.")
        if not self.snr > 0:
            raise ValueError(f"protocol: snr is {self.snr:g}; it must be positive.")

    @property
    def t2_s(self) -> Tensor:
        """T2 at which the precision is looked at, (N_T2,), float64."""
        return torch.linspace(*self.t2_range_s, N_T2, dtype=torch.float64)


def worst_precision(te_s: Tensor, options: ProtocolOptions) -> Tensor:
    """Largest relative standard deviation of T2 over the range of T2, te_s (..., echo) -> (...)."""
    return t2_precision(te_s, options.t2_s, options.snr).amax(-1)


def propose_echo_times(n_te: int, options: ProtocolOptions) -> tuple[float, ...]:
    """Ascending echo times, seconds, that make the worst precision best (minimax Cramer-Rao bound).

    The best pair of a grid of 10 ms, one more time after another, then each moved while that helps, at last by 1 ms.

    Raises
    ------
    ValueError
        Fewer than two, or more than fit between the shortest and the longest.
    """
    low, high = options.te_range_s
    room = int((high - low) / options.gap_s + 1e-9) + 1
    if not 2 <= n_te <= room:
        raise ValueError(
            f"{n_te} echo times; from 2 to {room} fit between {low:g} and {high:g} s, {options.gap_s:g} s apart."
        )
    grid = torch.arange(low, high + 1e-9, COARSE_S, dtype=torch.float64)
    first, second = torch.meshgrid(grid, grid, indexing="ij")
    apart = second - first >= options.gap_s - 1e-9
    pairs = torch.stack((first[apart], second[apart]), -1)
    chosen = pairs[worst_precision(pairs, options).argmin()]
    while len(chosen) < n_te:  # each one is the best beside those before it
        chosen = _descend(torch.cat((chosen, _room_for_one(chosen, grid, options)[None])), COARSE_S, options)
    return tuple(round(float(te), 3) for te in _descend(chosen, FINE_S, options).sort().values)


def _room_for_one(chosen: Tensor, grid: Tensor, options: ProtocolOptions) -> Tensor:
    """The best further time; where the gaps leave none, the others make room evenly later."""
    free = ((grid[:, None] - chosen).abs() >= options.gap_s - 1e-9).all(1)
    candidates = grid[free]
    if not len(candidates):
        raise ValueError("the echo times found leave no room for another; make the gap smaller.")
    sets = torch.cat((chosen.expand(len(candidates), -1), candidates[:, None]), 1)
    return candidates[worst_precision(sets, options).argmin()]


def _descend(chosen: Tensor, step_s: float, options: ProtocolOptions) -> Tensor:
    """Move one time, or it and all later ones together, to the best place that the gap allows, until none moves."""
    low, high = options.te_range_s
    offsets = torch.arange(-MOVE_STEPS, MOVE_STEPS + 1, dtype=torch.float64) * step_s
    best = float(worst_precision(chosen, options))
    while True:  # ends: each round is better than the one before
        for k in range(len(chosen)):
            chosen = chosen.sort().values
            alone, together = torch.zeros(2, len(chosen), dtype=torch.float64)
            alone[k], together[k:] = 1.0, 1.0
            sets = torch.cat([chosen + offsets[:, None] * moved for moved in (alone, together)]).sort(-1).values
            apart = (sets.diff(dim=-1) >= options.gap_s - 1e-9).all(-1)
            sets = sets[apart & (sets[:, 0] >= low - 1e-9) & (sets[:, -1] <= high + 1e-9)]
            worst = worst_precision(sets, options)
            if float(worst.min()) < float(worst_precision(chosen, options)) * (1 - 1e-9):
                chosen = sets[worst.argmin()]
        reached = float(worst_precision(chosen, options))
        if reached > best * (1 - 1e-6):
            return chosen
        best = reached
