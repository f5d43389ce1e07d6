"""Partial Fourier: what was left out on one side of k-space, from its mirror image (doi:10.1109/42.79473)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fetalt2prep.core.fourier_op import fft2c, ifft2c


@dataclass(frozen=True)
class Homodyne:
    """Weights of the lines of a band that is not symmetric: lines are rows, the centre lies at ``n // 2``.

    The object is taken as real but for a phase that the symmetric middle of k-space shows. Where the phase changes
    faster than that, edges along the lines' axis are wrong.
    """

    ramp: Tensor  # (y,), 2 on the side that has no mirror image, 0 where nothing was measured, rising between
    middle: Tensor  # (y,), window of the symmetric middle

    @classmethod
    def of_lines(cls, n: int, before: int, *, first_missing: bool) -> Homodyne:
        """``before``: lines from the centre to the near end of the band; ``first_missing``: that end is the first."""
        line = torch.arange(n) - n // 2
        away = line if first_missing else -line
        inside = 0.5 + 0.5 * torch.cos(math.pi * line / (before + 1))
        return cls((1.0 + away / before).clamp(0.0, 2.0), torch.where(line.abs() <= before, inside, 0.0))

    @classmethod
    def of(cls, mask: Tensor) -> Homodyne | None:
        """Weights for a mask (y, x) of k-space; None where the band reaches equally far on both sides.

        A last gap of the pattern is no asymmetry, and a band that ends at the centre leaves no middle to see the phase
        in: nothing can be done.
        """
        lines = torch.nonzero(mask.any(1))[:, 0]
        centre = len(mask) // 2
        below, above = centre - int(lines[0]), int(lines[-1]) - centre
        step = int((lines[1:] - lines[:-1]).max()) if len(lines) > 1 else 1
        if abs(above - below) <= step or min(below, above) < 1:
            return None
        found = cls.of_lines(len(mask), min(below, above), first_missing=below < above)
        return cls(found.ramp.to(mask.device), found.middle.to(mask.device))

    def ramped(self, image: Tensor) -> Tensor:
        """Images (..., y, x) with their lines weighted, before the phase is taken off."""
        return ifft2c(fft2c(image) * self.ramp[:, None])

    def __call__(self, image: Tensor) -> Tensor:
        """Complex images (..., y, x), real but for the phase of the middle of k-space."""
        phase = torch.sgn(ifft2c(fft2c(image) * self.middle[:, None]))
        return (self.ramped(image) * phase.conj()).real * phase
