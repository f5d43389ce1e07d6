"""The field: an image series as a complex function of time and place, asked for at any frames and pixels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fetalt2prep.core.kt.encoding import HashSeries, SeriesEncoding, SirenSeries, SpaceTimePyramid, linear
from fetalt2prep.core.kt.options import KtOptions

SPACINGS = ((8.0, 16.0), (4.0, 8.0), (2.0, 4.0), (1.0, 2.0), (1.0, 1.0))  # frames and pixels of each level
HASH_HIDDEN = (64, 64)


class SeriesField(nn.Module):
    """``image(t, y, x) = seen(y, x) * (still(y, x) + head(encoding(t, y, x)))``, complex.

    What does not move has an image of its own, so that the encoding need not say it again at every time. ``seen`` is 1
    where a coil has a sensitivity and 0 elsewhere: no sample could correct what coarse levels say there.
    """

    seen: Tensor

    def __init__(self, encoding: SeriesEncoding, hidden: Sequence[int] | None, still: Tensor, seen: Tensor) -> None:
        """hidden: widths of the network's layers, None: the encoding's two features are the image.

        still: (y, x); seen: (y, x), real.
        """
        super().__init__()
        self.encoding = encoding
        self.register_buffer("seen", seen)
        self.still = nn.Parameter(torch.view_as_real(still).permute(2, 0, 1).contiguous())
        widths = None if hidden is None else (encoding.n_features, *hidden, 2)
        layers = [] if widths is None else [nn.Linear(a, b) for a, b in pairwise(widths)]
        for parameter in layers[-1].parameters() if layers else ():
            nn.init.zeros_(parameter)  # silent at the start
        self.layers = nn.ModuleList(layers)
        self.n_awake = encoding.n_levels

    def forward(self, axes: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Image (t, y, x) at the product of three axes: frames, and pixels along y and x; any real numbers inside."""
        outputs = self.encoding(axes, self.n_awake)
        for number, layer in enumerate(self.layers):
            outputs = layer(outputs if number == 0 else F.relu(outputs))
        _, y, x = axes
        _, n_y, n_x = self.still.shape
        along_y, along_x = linear(y, n_y), linear(x, n_x)
        still = torch.einsum("Yy,cyx,Xx->YXc", along_y, self.still, along_x)
        seen = along_y @ self.seen @ along_x.T
        return torch.view_as_complex((outputs + still).contiguous()) * seen


def make_field(
    shape: tuple[int, int, int], options: KtOptions, still: Tensor, seen: Tensor | None = None
) -> SeriesField:
    """Field of a series (frame, y, x) on the device of ``still``; parameters from torch's global random state.

    still: (y, x); seen: (y, x), 1 where a coil sees; None: everywhere.
    """
    seen = torch.ones_like(still.real) if seen is None else seen
    if options.field == "grid":
        return SeriesField(SpaceTimePyramid(shape, SPACINGS, 2), None, still, seen).to(still.device)
    if options.field == "hash":
        return SeriesField(HashSeries(shape), HASH_HIDDEN, still, seen).to(still.device)
    return SeriesField(SirenSeries(shape), (), still, seen).to(still.device)


def axes_of(shape: tuple[int, int, int], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor, Tensor]:
    """Frames and pixels of a series (frame, y, x)."""
    t, y, x = (torch.arange(n, dtype=torch.float32, device=device) for n in shape)
    return t, y, x


def finer_in_time(
    shape: tuple[int, int, int], factor: int, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor, Tensor]:
    """The same pixels at ``factor`` times the frame rate: frames 0, 1 / factor, ... up to the last."""
    _, y, x = axes_of(shape, device)
    return torch.arange((shape[0] - 1) * factor + 1, dtype=torch.float32, device=device) / factor, y, x
