"""Even out k-space: a preconditioner, so that what is sampled thinly is fitted as soon as what is sampled densely.

Spokes crowd at the centre of k-space, and the gradient of a squared error is largest there by the same factor, half the
number of pixels: fine detail that moves would need many hundreds of steps. The gradient with respect to the series is
filtered before it goes back into the field. A filter that is positive everywhere leaves the minimum where it is.
"""

from __future__ import annotations

import torch

from fetalt2prep.core.fourier_op import Fourier, fft2c
from fetalt2prep.core.normal_op import Convolution


def balance(fourier: Fourier, shape: tuple[int, int]) -> Convolution:
    """Filter ``sqrt(1 / (1 + s))`` of k-space, s: samples per pixel, mean over frames, in units of their mean.

    shape: (n_y, n_x). 1 where there are no samples; half the samples' own excess where there are many: the whole of it
    makes Adam restless in what is sampled least.
    """
    n_y, n_x = shape
    normal = fourier.normal().together()
    point = normal.spectrum.new_zeros(1, 1, n_y, n_x, dtype=torch.complex64)
    point[..., n_y // 2, n_x // 2] = 1.0
    density = fft2c(normal(point)).abs()
    relative = torch.fft.ifftshift(density / density.mean(), dim=(-2, -1))
    return Convolution((1 + relative).rsqrt(), shape)
