"""The network that outlines the brain: a small U-Net on one slice and its two neighbours."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

WORKING_MM = 2.0
"""In-plane pixel of what the network sees."""
N_NEIGHBOURS = 1
"""Slices on either side that are shown with the slice in question."""
WIDTHS = (16, 32, 64, 96, 128)
BRIGHTEST = 2.0
"""Signal above this many times the bright level is cut."""
MULTIPLE = 2 ** (len(WIDTHS) - 1)
"""Sides of a picture must be multiples of this."""


class ConvPair(nn.Module):
    """Twice: convolution 3 x 3, batch normalisation, rectifier."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            nn.Conv2d(n_out, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, in, y, x) -> (n, out, y, x)."""
        out: Tensor = self.layers(x)
        return out


class MaskNet(nn.Module):
    """U-Net (Ronneberger et al. 2015, doi:10.1007/978-3-319-24574-4_28): neighbours in, logit of the middle slice out.

    Batch normalisation has fixed statistics once trained, so the answer at a pixel does not depend on how much
    of the mother is in view.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.widths = widths
        n_in = (2 * N_NEIGHBOURS + 1, *widths[:-1])
        self.down = nn.ModuleList(ConvPair(a, b) for a, b in zip(n_in, widths, strict=True))
        self.up = nn.ModuleList(ConvPair(a + b, b) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.head = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, y, x), sides multiples of 16 -> logits (n, y, x)."""
        kept: list[Tensor] = []
        for n, level in enumerate(self.down):
            x = level(x if n == 0 else functional.max_pool2d(x, 2))
            kept.append(x)
        kept.pop()
        for level in self.up:
            x = level(torch.cat((functional.interpolate(x, scale_factor=2.0), kept.pop()), 1))
        logits: Tensor = self.head(x)[:, 0]
        return logits


def with_neighbours(slices: Tensor, n_neighbours: int = N_NEIGHBOURS) -> Tensor:
    """Each slice between its neighbours, (slice, y, x) -> (slice, 2 n + 1, y, x); beyond an end the end comes again."""
    n = len(slices)
    index = torch.arange(n)[:, None] + torch.arange(-n_neighbours, n_neighbours + 1)
    return slices[index.clamp(0, n - 1).to(slices.device)]
