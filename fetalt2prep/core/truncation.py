"""Central part of k-space as an image of fewer voxels: how a coarse scan sees a fine picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class KSpaceTruncation:
    """Fourier transform, crop to the centre, transform back; an exact pair of forward and adjoint.

    Separable, so each axis is one small real matrix. The mean of the image is kept. The outer faces of both grids
    coincide: both images show the same field of view. With an even number of coarse voxels the line at minus the
    Nyquist frequency has no partner; both lines enter with weight ``1 / sqrt 2``, so that real images stay real and
    ``forward(zero_fill(y)) = y`` holds for every size.
    """

    matrices: tuple[Tensor, ...]

    @classmethod
    def between(
        cls, shape: Sequence[int], coarse: Sequence[int], *, device: torch.device | str = "cpu"
    ) -> KSpaceTruncation:
        """From a fine grid to a coarse one, both (x, y, ...), the last axes of what they are applied to."""
        if len(shape) != len(coarse) or any(not 1 <= few <= n for n, few in zip(shape, coarse, strict=True)):
            raise ValueError(
                f"a grid of {tuple(shape)} voxels cannot be cut to {tuple(coarse)}: give as many or fewer."
            )
        return cls(tuple(_axis_matrix(n, few).to(device) for n, few in zip(shape, coarse, strict=True)))

    @property
    def shape(self) -> tuple[int, ...]:
        """Fine grid."""
        return tuple(matrix.shape[1] for matrix in self.matrices)

    @property
    def coarse(self) -> tuple[int, ...]:
        """Coarse grid."""
        return tuple(matrix.shape[0] for matrix in self.matrices)

    def forward(self, x: Tensor) -> Tensor:
        """(..., *shape) -> (..., *coarse)."""
        return _along_axes(self.matrices, x)

    def adjoint(self, y: Tensor) -> Tensor:
        """(..., *coarse) -> (..., *shape)."""
        return _along_axes([matrix.T for matrix in self.matrices], y)

    def zero_fill(self, y: Tensor) -> Tensor:
        """The smoothest fine image that looks like ``y``, (..., *coarse) -> (..., *shape): sinc interpolation."""
        return self.adjoint(y) * math.prod(n / few for n, few in zip(self.shape, self.coarse, strict=True))


def _along_axes(matrices: Sequence[Tensor], x: Tensor) -> Tensor:
    for axis, matrix in enumerate(matrices, start=-len(matrices)):
        if matrix.shape[0] == matrix.shape[1]:
            continue  # the identity
        x = torch.tensordot(x, matrix, dims=([axis], [1])).movedim(-1, axis)
    return x


def _axis_matrix(n: int, few: int) -> Tensor:
    """``M[a, b] = 1/n sum_k w_k cos(2 pi k (p_a - b) / n)`` over the kept lines k, (few, n)."""
    if few == n:
        return torch.eye(n)
    at = (torch.arange(few, dtype=torch.float64) + 0.5) * (n / few) - 0.5  # coarse centres, in fine voxels
    phase = 2 * math.pi / n * (at[:, None] - torch.arange(n, dtype=torch.float64))
    matrix = torch.ones_like(phase)
    for k in range(1, (few + 1) // 2):
        matrix += 2.0 * torch.cos(k * phase)
    if few % 2 == 0:
        # cos at a coarse centre is (-1)^a cos(b's phase): the weight that makes its rows as long as the other lines'
        matrix += math.sqrt(2.0) * torch.cos(few / 2 * phase)
    return (matrix / n).float()
