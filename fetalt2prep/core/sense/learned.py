"""The learned denoiser on a CG-SENSE image, tied to its k-space, and what it was not trained for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fetalt2prep.core.sense.consistency import DataConsistency, MagnitudeConsistency
from fetalt2prep.core.sense.sampling import Sampling

Network = Callable[[Tensor, Tensor, Callable[[Tensor], Tensor] | None], list[Tensor]]
""":class:`~fetalt2prep.core.denoise.unet.cascade.DenoisingCascade`: (image, sigma, consistency) -> estimates."""


@dataclass(frozen=True, kw_only=True)
class TrainedRange:
    """What a network has seen."""

    acceleration: tuple[float, float]
    snr: tuple[float, float]
    """Mean signal over the noise of a fully sampled image."""
    matrix: tuple[int, int]
    """Pixels along each side."""

    def reasons_against(self, sampling: Sampling, calibration: int, shape: tuple[int, int], snr: float) -> list[str]:
        """Why a scan is none the network was trained for; empty where it is. More signal than it saw is no reason.

        calibration: lines the coil maps are made of; shape: of the image; snr: mean signal over noise, fully sampled.
        """
        reasons = []
        highest = self.acceleration[1]
        if sampling.acceleration > highest * (1 + 1e-3):
            reasons.append(
                f"an acceleration of {sampling.acceleration:.3g} is beyond the network's "
                f"{self.acceleration[0]:g} to {highest:g}"
            )
        if not calibration:
            reasons.append("there are no calibration lines, so that coil maps and noise cannot be relied on")
        if not self.matrix[0] <= min(shape) <= max(shape) <= self.matrix[1]:
            reasons.append(
                f"a matrix of {shape[0]} x {shape[1]} is not within the network's {self.matrix[0]} to {self.matrix[1]}"
            )
        if snr < self.snr[0]:
            reasons.append(f"a signal-to-noise ratio of {snr:.2g} is below the network's {self.snr[0]:g}")
        return reasons


@dataclass(frozen=True)
class Learned:
    """A network and what it was trained for."""

    network: Network
    trained: TrainedRange
    source: str
    """File of its weights and their checksum."""


def denoise_tied(network: Network, image: Tensor, sigma: Tensor, consistency: DataConsistency | None) -> Tensor:
    """Magnitude (y, x) of the network's last estimate.

    image: (y, x) complex, of CG-SENSE; its phase is kept. sigma: (y, x), standard deviation of the noise in each part,
    0 where there is no image. consistency: None for the network alone.
    """
    inside = sigma > 0
    if not bool(inside.any()):
        return image.abs()
    noise = torch.where(inside, sigma, sigma[inside].median())
    tie = None if consistency is None else MagnitudeConsistency(consistency, torch.sgn(image))
    with torch.inference_mode():
        estimates = network(image.abs().T[None, None], noise.T[None, None], tie)
    return estimates[-1][0, 0].T.clamp(min=0)
