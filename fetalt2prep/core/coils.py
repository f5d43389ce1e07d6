"""Receive coils: sensitivity maps from calibration data, compression, noise pre-whitening, and the SENSE operator.

Maps are (coil, y, x), complex, with a root sum of squares of 1 where there is signal and 0 elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fetalt2prep.core.fourier_op import Fourier, fft2c, ifft2c
from fetalt2prep.core.normal_op import SeriesNormal

KERNEL = 6  # side of the patches of k-space that are held against each other
CALIBRATION = 20  # side of the centre of k-space they are taken from
SIGNAL_SHARE = 0.01  # patterns whose singular value is above this share of the largest are signal
EIGENVALUE_LEAST = 0.8  # below, a pixel agrees with no sensitivity: it is background
POWER_STEPS = 30


@dataclass(frozen=True)
class Sense:
    """Image series (frame, y, x) -> samples (frame, coil, *sample): maps, then a Fourier operator."""

    fourier: Fourier
    maps: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Image series to samples."""
        return self.fourier.forward(x[:, None] * self.maps)

    def adjoint(self, y: Tensor) -> Tensor:
        """Samples to image series."""
        return (self.fourier.adjoint(y) * self.maps.conj()).sum(1)

    def select(self, frames: Tensor) -> Sense:
        """The same operator of some frames, (n,) indices."""
        return Sense(self.fourier.select(frames), self.maps)

    def normal(self, weight: Tensor | None = None, *, frames_at_once: int = 0) -> SeriesNormal:
        """``adjoint(weight * forward(x))``, weight (frame, 1, *sample), None: 1."""
        return SeriesNormal(self.fourier.normal(weight), self.maps, frames_at_once)


def espirit_maps(image: Tensor, calibration: int = CALIBRATION) -> Tensor:
    """Maps of coil images (coil, y, x) by ESPIRiT (doi:10.1002/mrm.24751), one set.

    The centre of k-space is cut into patches; what patches of all coils have in common is a subspace, and the
    sensitivities of a pixel are what this subspace leaves unchanged there. Phase is relative to the first principal
    coil, so that it varies slowly.
    """
    n_coils, ny, nx = image.shape
    side = min(calibration, ny, nx)
    if side < KERNEL + 2:
        raise ValueError(f"the image is {ny} x {nx}: too small for coil maps; {KERNEL + 2} pixels are needed.")
    centre = fft2c(image)[:, ny // 2 - side // 2 :, nx // 2 - side // 2 :][:, :side, :side]
    patches = centre.unfold(1, KERNEL, 1).unfold(2, KERNEL, 1)  # (coil, p, q, kernel, kernel)
    rows = patches.permute(1, 2, 0, 3, 4).reshape(-1, n_coils * KERNEL**2)
    values, vectors = torch.linalg.eigh(rows.mH @ rows)
    signal = vectors[:, values > SIGNAL_SHARE**2 * values[-1]]
    kernels = signal.T.reshape(-1, n_coils, KERNEL, KERNEL)
    return _leading(kernels, image)


def _leading(kernels: Tensor, image: Tensor) -> Tensor:
    """Sensitivities of each pixel: eigenvector to eigenvalue 1 of the subspace's projector there."""
    gram = _projector(kernels, (image.shape[1], image.shape[2]))
    vector = image.permute(1, 2, 0)[..., None]  # the coil images themselves are a good start
    for _ in range(POWER_STEPS):
        vector = gram @ vector
        length = torch.linalg.vector_norm(vector, dim=-2, keepdim=True)
        vector = vector / length.clamp(min=1e-20)
    maps = vector[..., 0].permute(2, 0, 1)
    phase = torch.sgn((_principal_coil(image)[:, None, None].conj() * maps).sum(0))
    return maps * phase.conj() * (length[..., 0, 0] > EIGENVALUE_LEAST)


def _projector(kernels: Tensor, shape: tuple[int, int]) -> Tensor:
    """What the patterns (kernel, coil, y, x) of k-space leave of the coils at each pixel, (y, x, coil, coil).

    A product of two patterns reaches ``2 KERNEL - 1`` points of k-space: the projector is found on the coarsest grid
    that holds them, and Fourier interpolation to all pixels is exact.
    """
    n_coils = kernels.shape[1]
    coarse = (min(2 * KERNEL, shape[0]), min(2 * KERNEL, shape[1]))
    top, left = (n // 2 - KERNEL // 2 for n in coarse)
    padded = kernels.new_zeros(*kernels.shape[:2], *coarse)
    padded[..., top : top + KERNEL, left : left + KERNEL] = kernels.conj()
    pattern = ifft2c(padded)
    spectrum = fft2c(torch.einsum("kcyx,kdyx->cdyx", pattern, pattern.conj()))
    size = math.sqrt(shape[0] * shape[1] * coarse[0] * coarse[1]) / KERNEL**2
    top, left = (n // 2 - few // 2 for n, few in zip(shape, coarse, strict=True))
    gram = kernels.new_empty(*shape, n_coils, n_coils)
    wide = kernels.new_zeros(n_coils, *shape)
    for coil in range(n_coils):  # all at once would take the memory of the result three times
        wide[:, top : top + coarse[0], left : left + coarse[1]] = spectrum[coil]
        gram[..., coil, :] = size * ifft2c(wide).permute(1, 2, 0)
    return gram


def _principal_coil(image: Tensor) -> Tensor:
    """Combination of coils that holds most signal, (coil,)."""
    flat = image.flatten(1)
    return torch.linalg.eigh(flat @ flat.mH)[1][:, -1]


def compress(samples: Tensor, n_coils: int) -> Tensor:
    """Samples (frame, coil, *sample) of ``n_coils`` virtual coils that hold most signal (doi:10.1002/mrm.20969).

    The virtual coils are orthonormal combinations: white noise stays white.
    """
    if not 1 <= n_coils <= samples.shape[1]:
        raise ValueError(f"{n_coils} virtual coils are asked for, of {samples.shape[1]} coils.")
    flat = samples.transpose(0, 1).flatten(1)
    basis = torch.linalg.eigh(flat @ flat.mH)[1][:, -n_coils:].flip(-1)
    return torch.einsum("cv,tc...->tv...", basis.conj(), samples)


def whitener(noise: Tensor) -> Tensor:
    """Matrix (coil, coil) after which noise (coil, sample) is white, with the mean power it had.

    Raises
    ------
    ValueError
        Fewer noise samples than coils, or a coil without noise: its covariance cannot be inverted.
    """
    n_coils, n_samples = noise.shape
    covariance = noise @ noise.mH / n_samples
    lower, info = torch.linalg.cholesky_ex(covariance)
    if n_samples <= n_coils or int(info) or not torch.isfinite(lower).all():
        raise ValueError(f"noise of {n_coils} coils in {n_samples} samples: its covariance cannot be inverted.")
    power = covariance.diagonal().real.mean().sqrt()
    identity = torch.eye(n_coils, dtype=noise.dtype, device=noise.device)
    return power * torch.linalg.solve_triangular(lower, identity, upper=False)


def whiten(samples: Tensor, matrix: Tensor) -> Tensor:
    """Samples (frame, coil, *sample) times a matrix of :func:`whitener`."""
    if matrix.shape[-1] != samples.shape[1]:
        raise ValueError(f"the noise has {matrix.shape[-1]} coils, the samples {samples.shape[1]}.")
    return torch.einsum("vc,tc...->tv...", matrix, samples)
