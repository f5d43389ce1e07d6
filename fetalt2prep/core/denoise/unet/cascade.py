"""The whole: residual network and fidelity network in turn, a few times with the same weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fetalt2prep.core.denoise.unet.fidelity import FidelityNet
from fetalt2prep.core.denoise.unet.network import WIDTHS, ResidualUNet

N_STAGES = 2
Consistency = Callable[[Tensor], Tensor]
"""Magnitude estimate (b, 1, x, y) -> one that agrees with the k-space; who calls keeps the phase."""


class DenoisingCascade(nn.Module):
    """``r_k = x_(k-1) + R(x_(k-1), u, sigma)``, ``x_k = F(u, r_k)``, from ``x_0 = u``; stages share R and F.

    After Yu et al. 2024, doi:10.12117/jccmi.2024.01.012, who publish neither widths nor numbers of layers and stages:
    these, the gate and the map of noise are choices made here. For ``a > 0``: scaling ``image`` and ``sigma`` by
    ``a`` scales the result by ``a``.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS, n_stages: int = N_STAGES) -> None:
        super().__init__()
        if n_stages < 1:
            raise ValueError(f"n_stages is {n_stages}; a cascade has 1 or more.")
        self.n_stages = n_stages
        self.residual = ResidualUNet(widths)
        self.fidelity = FidelityNet()

    def forward(self, image: Tensor, sigma: Tensor, consistency: Consistency | None = None) -> list[Tensor]:
        """Estimates of each stage; the last is the result.

        Parameters
        ----------
        image
            (b, 1, x, y), magnitudes, any units and size.
        sigma
            (b,) or (b, 1, x, y), standard deviation of the noise of one channel (real or imaginary part), in those
            units; a map where the noise varies, as it does with parallel imaging.
        consistency
            Takes the estimate at the end of each stage back to the measured k-space. None: the fidelity network alone.

        Returns
        -------
        list
            Of each stage the residual network's estimate, the fidelity network's, and with ``consistency`` what that
            makes of it; each (b, 1, x, y).
        """
        if image.ndim != 4 or image.shape[1] != 1:
            raise ValueError(f"the image is {tuple(image.shape)}; (b, 1, x, y) is wanted.")
        noise = sigma.reshape(-1, 1, 1, 1) if sigma.ndim < 2 else sigma
        noise = noise.to(image.dtype).expand_as(image)
        found: list[Tensor] = []
        x = image
        for _ in range(self.n_stages):  # each stage needs the one before
            x = x + self.residual(torch.cat((x, image, noise), 1))
            found.append(x)
            x = self.fidelity(image, x, noise)
            found.append(x)
            if consistency is not None:
                x = consistency(x)
                found.append(x)
        return found
