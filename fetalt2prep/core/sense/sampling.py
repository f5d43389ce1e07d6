"""Which points of k-space of a slice were measured: acceleration, calibration lines, partial Fourier."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """What a mask (y, x) of k-space tells; lines are rows, and the centre of k-space lies at ``n // 2``."""

    acceleration: float
    """Points of the measured band over those that were measured, both without the calibration region."""
    net_acceleration: float
    """The same with the calibration region."""
    calibration: int
    """Lines around the centre without a gap; of a pattern that is no set of lines, the side of such a square."""
    partial_fourier: float
    """Height of the measured band over that of the band made symmetric, 0.5 to 1."""

    @classmethod
    def of(cls, mask: Tensor) -> Sampling:
        """Describe a mask (y, x), true where k-space was measured.

        Raises
        ------
        ValueError
            Nothing was measured, or not the centre of k-space.
        """
        lines = torch.nonzero(mask.any(1))[:, 0].tolist()
        centre = len(mask) // 2
        if not lines or not lines[0] <= centre <= lines[-1]:
            reach = f"lines {lines[0]} to {lines[-1]}" if lines else "no line"
            raise ValueError(
                f"of {len(mask)} lines {reach} were measured, without the centre of k-space, line {centre}: is the "
                "centre in the header (encodingLimits) right?"
            )
        region = calibration_region(mask)
        columns = torch.nonzero(mask.any(0))[:, 0].tolist()
        band = torch.zeros_like(mask)
        band[lines[0] : lines[-1] + 1, columns[0] : columns[-1] + 1] = True
        outside = int((mask & ~region).sum())
        below, above = centre - lines[0], lines[-1] - centre
        step = max((b - a for a, b in pairwise(lines)), default=1)
        symmetric = abs(above - below) <= step
        return cls(
            acceleration=int((band & ~region).sum()) / outside if outside else 1.0,
            net_acceleration=int(band.sum()) / int(mask.sum()),
            calibration=int(region.any(1).sum()),
            partial_fourier=1.0 if symmetric else (below + above + 1) / (2 * max(below, above) + 1),
        )


def calibration_region(mask: Tensor) -> Tensor:
    """The centre of k-space without a gap, (y, x): a run of lines, or a square where the pattern is no set of lines."""
    n_y, n_x = mask.shape
    rows, columns = mask.any(1), mask.any(0)
    region = torch.zeros_like(mask)
    if bool((mask == rows[:, None] & columns).all()):
        first = last = n_y // 2
        while first > 0 and rows[first - 1]:
            first -= 1
        while last < n_y and rows[last]:
            last += 1
        region[first:last] = columns
        return region
    side = 0
    while side < min(n_y, n_x) and bool(mask[centred(n_y, side + 1), centred(n_x, side + 1)].all()):
        side += 1
    region[centred(n_y, side), centred(n_x, side)] = True
    return region


def centred(n: int, side: int) -> slice:
    """Middle ``side`` of ``n`` indices, with index ``n // 2`` at ``side // 2`` of it."""
    return slice(n // 2 - side // 2, n // 2 - side // 2 + side)
