"""``A^H w A`` of Fourier samples, without the samples: a convolution, which costs one FFT pair however many there are.

What normal equations and the gradient of a squared error ask for at every step. Sampling far from any grid, too: the
matrix is Toeplitz, entries depend on the difference of two pixels alone (doi:10.1109/TMI.2005.848376, section VI).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

PIECE_BYTES = {"cpu": 2**23}  # coil images at work at once; larger ones leave the cache, and the allocator's pool
PIECE_BYTES_ELSEWHERE = 2**30
BYTES = 8  # complex64


@dataclass(frozen=True)
class Convolution:
    """Images (frame, coil, y, x) convolved frame by frame; linear where the grid is twice the image's size less 1."""

    spectrum: Tensor  # (frame, 1, grid y, grid x), real: the operator is Hermitian
    shape: tuple[int, int]  # of images, (n_y, n_x)

    def __call__(self, x: Tensor) -> Tensor:
        """Same shape as x."""
        grid = self.spectrum.shape[-2:]
        product = torch.fft.fft2(x, s=grid) * self.spectrum
        return torch.fft.ifft2(product)[..., : self.shape[0], : self.shape[1]]

    def select(self, frames: slice) -> Convolution:
        """The same of some frames."""
        return Convolution(self.spectrum[frames], self.shape)

    def together(self) -> Convolution:
        """The sum over all frames, for an image that all of them show: one frame."""
        return Convolution(self.spectrum.sum(0, keepdim=True), self.shape)


@dataclass(frozen=True)
class SeriesNormal:
    """``A^H w A`` of an image series (frame, y, x) seen by coils, in pieces that bound memory.

    Pieces are also what makes it fast on a CPU: temporary arrays of all frames and coils would be mapped and
    cleared anew by the system at every step, which takes longer than the transforms (twice as long at 208 pixels).
    """

    convolution: Convolution
    maps: Tensor  # (coil, y, x)
    frames_at_once: int = 0
    """0: as many frames, or coils of a frame, as PIECE_BYTES hold."""

    def __call__(self, x: Tensor) -> Tensor:
        """Series to series."""
        result = torch.zeros_like(x)
        for frames, coils in self._pieces(len(x)):
            maps = self.maps[coils]
            seen = self.convolution.select(frames)(x[frames, None] * maps)
            result[frames] += (seen * maps.conj()).sum(1)
        return result

    def _pieces(self, n_frames: int) -> Iterator[tuple[slice, slice]]:
        n_coils = len(self.maps)
        one = math.prod(self.convolution.spectrum.shape[-2:]) * BYTES
        most = max(1, PIECE_BYTES.get(self.maps.device.type, PIECE_BYTES_ELSEWHERE) // one)  # coil images
        coils = n_coils if self.frames_at_once else min(n_coils, most)
        frames = self.frames_at_once or max(1, most // n_coils)
        for first in range(0, n_frames, frames):
            for coil in range(0, n_coils, coils):
                yield slice(first, first + frames), slice(coil, coil + coils)
