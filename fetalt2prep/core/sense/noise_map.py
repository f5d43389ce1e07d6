"""Standard deviation of the noise in every pixel of a CG-SENSE image, by pseudo replicas."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from fetalt2prep.core.coils import Sense
from fetalt2prep.core.sense.consistency import DataConsistency
from fetalt2prep.core.sense.homodyne import Homodyne

N_REPLICAS = 8
AT_ONCE = 4
N_STEPS = 12
BORDER_SHARE = 0.1
SMOOTH_PIXELS = 5  # side of the square over which the variance is averaged; it changes with the coils, slowly


def noise_amplification(
    sense: Sense,
    ridge: float,
    n_steps: int = N_STEPS,
    *,
    homodyne: Homodyne | None = None,
    seed: int = 0,
    n_replicas: int = N_REPLICAS,
) -> Tensor:
    """Noise in each pixel over the noise of a sample, (y, x): ``g sqrt(net acceleration)`` of the SENSE literature.

    Replicas of white noise go through the same reconstruction (doi:10.1002/mrm.21728). 0 where the maps are.
    ``n_steps`` must be enough for the image to have settled: conjugate gradients that end early treat noise and image
    unlike. homodyne: what follows the reconstruction, if anything; one part of the complex noise is left after it.
    """
    generator = torch.Generator().manual_seed(seed)
    n_coils, n_y, n_x = sense.maps.shape
    power = sense.maps.new_zeros((n_y, n_x), dtype=torch.float32)
    for first in range(0, n_replicas, AT_ONCE):  # all at once would take (replica, coil, y, x) of memory
        n = min(AT_ONCE, n_replicas - first)
        parts = torch.randn((n, n_coils, n_y, n_x, 2), generator=generator) / 2**0.5
        noise = torch.view_as_complex(parts.to(sense.maps.device)) * sense.fourier.density
        solve = DataConsistency(sense, noise, ridge, n_steps)
        replicas = solve(torch.zeros_like(noise[:, 0]))
        replicas = replicas if homodyne is None else homodyne.ramped(replicas)
        power += replicas.abs().square().sum(0)
    inside = (sense.maps.abs().sum(0) > 0).to(torch.float32)
    total, count = (
        avg_pool2d(x[None, None], SMOOTH_PIXELS, stride=1, padding=SMOOTH_PIXELS // 2)[0, 0]
        for x in (power / n_replicas * inside, inside)
    )
    return (total / count.clamp(min=1e-6)).sqrt() * inside


def border_noise(samples: Tensor, mask: Tensor) -> float:
    """Standard deviation of each part of the noise, from the border of k-space where little else is.

    samples: (coil, y, x); mask: (y, x), what was measured. The median of the power in the outer tenth of the measured
    points, seen from the centre: signal that is left there makes it too large rather than too small. 0 without noise.
    """
    n_y, n_x = mask.shape
    y, x = (torch.arange(n, device=mask.device) - n // 2 for n in (n_y, n_x))
    radius = ((y[:, None] / n_y).square() + (x / n_x).square()).sqrt()
    far = mask & (radius >= radius[mask].quantile(1 - BORDER_SHARE))
    power = samples[:, far].abs().square().median()  # of an exponential distribution: ln 2 of the mean
    return float((power / math.log(2) / 2).sqrt())
