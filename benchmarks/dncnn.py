"""A plain residual network to compare with: ten layers of 32 filters, without biases or normalisation.

Zhang et al. 2017, doi:10.1109/TIP.2017.2662206, made smaller and homogeneous as in doi:10.48550/arXiv.1906.05478.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

N_LAYERS, N_FILTERS = 10, 32


class DnCnn(nn.Module):
    """Called as :class:`fetalt2prep.core.denoise.unet.cascade.DenoisingCascade`, so that one loop trains both."""

    n_stages = 1

    def __init__(self) -> None:
        super().__init__()
        widths = (2, *[N_FILTERS] * (N_LAYERS - 1), 1)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in pairwise(widths))
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight)
        nn.init.zeros_(self.layers[-1].weight)

    def forward(self, image: Tensor, sigma: Tensor) -> list[Tensor]:
        """(b, 1, x, y) and (b,) -> the one estimate."""
        x = torch.cat((image, sigma.reshape(-1, 1, 1, 1).expand_as(image)), 1)
        for n, layer in enumerate(self.layers):
            x = layer(x if n == 0 else functional.relu(x))
        return [image + x]
