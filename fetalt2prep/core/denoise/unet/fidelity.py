"""The fidelity network: how much of the measured image is kept at each pixel."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

N_FILTERS, N_LAYERS = 12, 4
FARTHEST = 20.0  # standard deviations of noise; larger differences look alike
OPEN_AT_START = -3.0
"""Logit of the share of the measured image before training: 5 %."""


class FidelityNet(nn.Module):
    """Between the measured image ``u`` and an estimate ``r``: ``g u + (1 - g) r`` with a gate ``g`` in 0 to 1.

    The result lies between its two inputs at every pixel, so this step invents nothing. The gate sees what was taken
    away, and the estimate, both in units of the noise: numbers that no gain changes, so biases are allowed and the
    step as a whole is homogeneous.
    """

    def __init__(self, n_filters: int = N_FILTERS, n_layers: int = N_LAYERS) -> None:
        super().__init__()
        widths = (2, *[n_filters] * (n_layers - 1), 1)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths))
        last = self.layers[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, OPEN_AT_START)

    def forward(self, measured: Tensor, estimate: Tensor, sigma: Tensor) -> Tensor:
        """All (b, 1, x, y) -> (b, 1, x, y)."""
        return estimate + self.gate(measured, estimate, sigma) * (measured - estimate)

    def gate(self, measured: Tensor, estimate: Tensor, sigma: Tensor) -> Tensor:
        """Share of the measured image, (b, 1, x, y)."""
        unit = sigma.clamp(min=torch.finfo(torch.float32).tiny)
        taken = ((measured - estimate) / unit).clamp(-FARTHEST, FARTHEST)
        signal = torch.log1p((estimate.abs() / unit).clamp(max=FARTHEST**2))
        x = torch.cat((taken, signal), 1)
        for n, layer in enumerate(self.layers):
            x = layer(x if n == 0 else functional.leaky_relu(x, 0.2))
        return torch.sigmoid(x)
