"""The residual network: a U-Net without biases or normalisation that finds what to add to an image."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (16, 32, 64, 128)
"""Channels of each level; the image is halved between them."""
N_CHANNELS = 3
"""What is shown: the estimate, the image as measured, and the noise of each pixel."""
SLOPE = 0.2  # of the rectifier below zero


class ConvPair(nn.Module):
    """Twice: convolution 3 x 3 without bias, leaky rectifier."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
        self.second = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(b, in, x, y) -> (b, out, x, y)."""
        x = functional.leaky_relu(self.first(x), SLOPE)
        return functional.leaky_relu(self.second(x), SLOPE)


class ResidualUNet(nn.Module):
    """U-Net (doi:10.1007/978-3-319-24574-4_28) in which every step is homogeneous: ``f(a x) = a f(x)`` for ``a > 0``.

    Biases and normalisation layers would tie the answer to an intensity scale (doi:10.48550/arXiv.1906.05478), and
    ratios between echo times, hence T2, would not survive. The last layer starts at zero: an untrained network adds
    nothing.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.widths = widths
        n_in = (N_CHANNELS, *widths[:-1])
        self.down = nn.ModuleList(ConvPair(a, b) for a, b in zip(n_in, widths, strict=True))
        above = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, stride=2, bias=False) for a, b in above)
        self.up = nn.ModuleList(ConvPair(2 * b, b) for _, b in above)
        self.head = nn.Conv2d(widths[0], 1, 1, bias=False)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):  # keeps the size of what passes: no layer scales it
                nn.init.kaiming_normal_(layer.weight, a=SLOPE)
            if isinstance(layer, nn.ConvTranspose2d):
                nn.init.normal_(layer.weight, std=layer.in_channels**-0.5)
        nn.init.zeros_(self.head.weight)

    @property
    def multiple(self) -> int:
        """Sides are mirrored up to multiples of this."""
        return int(2 ** (len(self.widths) - 1))

    def forward(self, x: Tensor) -> Tensor:
        """(b, 3, x, y), sides of any size -> what to add, (b, 1, x, y)."""
        n_x, n_y = x.shape[-2:]
        x = mirrored(mirrored(x, -2, self.multiple), -1, self.multiple)
        kept: list[Tensor] = []
        for n, level in enumerate(self.down):
            x = level(x if n == 0 else functional.avg_pool2d(x, 2))
            kept.append(x)
        kept.pop()
        for enlarge, level in zip(self.enlarge, self.up, strict=True):
            x = level(torch.cat((enlarge(x), kept.pop()), 1))
        added: Tensor = self.head(x)[..., :n_x, :n_y]
        return added


def mirrored(x: Tensor, axis: int, multiple: int) -> Tensor:
    """``x`` continued behind its end by its mirror image until the axis is a multiple; of any length, 1 too."""
    n = x.shape[axis]
    more = -n % multiple
    if not more:
        return x
    place = torch.arange(n + more, device=x.device) % max(2 * n - 2, 1)
    return x.index_select(axis, torch.where(place < n, place, 2 * n - 2 - place).clamp(min=0))
