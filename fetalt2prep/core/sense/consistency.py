"""An estimate tied to the k-space that was measured (MoDL, doi:10.1109/TMI.2018.2865356)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fetalt2prep.core.coils import Sense
from fetalt2prep.core.conjugate_gradients import conjugate_gradients

N_STEPS = 10
TOLERANCE = 1e-10  # of the residual
WEIGHT = 0.05


@dataclass(frozen=True)
class DataConsistency:
    """``(A^H A + weight I)^-1 (A^H b + weight x)``: the nearest to both, samples b and estimate x.

    weight: 0 leaves the estimate only what A does not see; large, the estimate stays as it is. With noise of variance
    s^2 in the samples and errors of variance e^2 in the estimate, s^2 / e^2 is the best weight.
    """

    sense: Sense
    samples: Tensor  # (frame, coil, *sample)
    weight: float = WEIGHT
    n_steps: int = N_STEPS

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise ValueError(f"the weight of the estimate is {self.weight}; it must be above 0.")

    def __call__(self, estimate: Tensor) -> Tensor:
        """Complex estimate (frame, y, x) to one that agrees with the samples; starts at the estimate."""
        right = self.sense.adjoint(self.samples) + self.weight * estimate
        return conjugate_gradients(
            lambda x: self.sense.adjoint(self.sense.forward(x)) + self.weight * x,
            right,
            self.n_steps,
            start=estimate,
            tolerance=TOLERANCE,
        )

    def residual(self, estimate: Tensor) -> float:
        """Norm of ``A x - b`` over that of b."""
        error = self.sense.forward(estimate) - self.samples
        return float(torch.linalg.vector_norm(error) / torch.linalg.vector_norm(self.samples))


@dataclass(frozen=True)
class MagnitudeConsistency:
    """The same for a network of magnitudes (1, 1, x, y), which takes the phase of an image (y, x) with it.

    What comes back is the part along that phase, 0 where it is negative: noise across the phase is left out.
    """

    consistency: DataConsistency
    phase: Tensor  # (y, x), of size 1

    def __call__(self, magnitude: Tensor) -> Tensor:
        """Magnitudes (1, 1, x, y) to those of the nearest image that agrees with the samples."""
        estimate = magnitude[0, 0].T * self.phase
        tied = self.consistency(estimate[None])[0]
        return (self.phase.conj() * tied).real.clamp(min=0).T[None, None]
