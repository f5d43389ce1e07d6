"""Slice acquisition on a lattice: rigid motion per slice, point spread function, sampling.

A Gaussian PSF with in-plane variance ``s_xy^2`` and through-plane variance ``s_z^2`` along the slice normal n has the
covariance ``s_xy^2 I + (s_z^2 - s_xy^2) n n^T``: an isotropic blur, which no motion changes, followed
by a one-dimensional blur along the normal. The first is done once on the lattice (:func:`blur`), the second as a short
quadrature along each slice's normal (:class:`SliceOperator`). Both are deterministic, and the adjoint is exact.
PSF widths as in Rousseau 2006 (doi:10.1016/j.acra.2006.05.003) and Kuklisova-Murgasova 2012
(doi:10.1016/j.media.2012.07.004): in-plane FWHM a little above one pixel, through-plane FWHM one slice thickness.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fetalt2prep.core.geometry import Grid, Rigid
from fetalt2prep.core.sparse_rows import csr, transposed

FWHM_TO_SIGMA = 1.0 / (2.0 * math.sqrt(2.0 * math.log(2.0)))
IN_PLANE_FWHM = 1.086  # pixels; see in_plane_sigma_mm
PIXELS_AT_ONCE = 2**14  # of which taps are computed; about 50 MB of scratch for slices of 4.5 mm


@dataclass(frozen=True)
class Profile:
    """Quadrature along the slice normal: offsets in mm and weights that sum to one, both (n_slices, quad)."""

    offsets_mm: Tensor
    weights: Tensor


def in_plane_sigma_mm(voxel_mm: float) -> float:
    """Standard deviation of the in-plane PSF, mm.

    Truncation of k-space at the pixel's Nyquist frequency gives a sinc, whose main lobe is 1.21 pixels wide at half
    maximum; the Gaussian nearest to its transfer function in least squares is 0.97 wide. Here the width between them.
    """
    return IN_PLANE_FWHM * voxel_mm * FWHM_TO_SIGMA


def box_profile(thickness_mm: Tensor, blur_sigma_mm: float) -> Profile:
    """Even profile over one slice thickness; the isotropic blur rounds its edges. Midpoint rule, as fine as that blur.

    thickness_mm: (n_slices,), full width at half maximum. Refocused single-shot slices are excited by pulses that are
    designed to be even inside and steep at the edges; 4.5 mm with a blur of 0.7 mm rises from 10 to 90 % within 1.8 mm.
    """
    n = max(1, math.ceil(float(thickness_mm.max()) / (1.9 * blur_sigma_mm)))
    middle = (torch.arange(n, dtype=thickness_mm.dtype, device=thickness_mm.device) + 0.5) / n - 0.5
    return Profile(middle * thickness_mm[:, None], torch.full_like(thickness_mm[:, None].expand(-1, n), 1.0 / n))


def gaussian_profile(thickness_mm: Tensor, blur_sigma_mm: float, half_width: float = 2.4) -> Profile:
    """Gaussian slice profile less the isotropic blur, sampled no coarser than 1.9 blur sigmas.

    thickness_mm: (n_slices,), the profile's full width at half maximum. Slices as thin as the blur keep one point.
    """
    variance = (thickness_mm * FWHM_TO_SIGMA).square() - blur_sigma_mm**2
    sigma = variance.clamp(min=0).sqrt()
    n_half = max(1, math.ceil(half_width * float(sigma.max()) / (1.9 * blur_sigma_mm)))
    steps = torch.linspace(
        -half_width, half_width, 2 * n_half + 1, dtype=thickness_mm.dtype, device=thickness_mm.device
    )
    weights = torch.exp(-0.5 * steps.square()).expand(len(sigma), -1)
    weights = weights / weights.sum(-1, keepdim=True)
    steps = steps / (weights[0] * steps.square()).sum().sqrt()  # what the cut tails lacked in variance
    return Profile(steps * sigma[:, None], weights)


PROFILES: dict[str, Callable[[Tensor, float], Profile]] = {"box": box_profile, "gaussian": gaussian_profile}
"""Through-plane profiles by the names in :data:`fetalt2prep.core.recon.options.PROFILES`."""


def blur(volumes: Tensor, sigma_voxels: float) -> Tensor:
    """Isotropic Gaussian blur of (channel, x, y, z) with zeros outside; self-adjoint. Sigma 0 returns the input."""
    if sigma_voxels <= 0:
        return volumes
    out = volumes
    for axis in (
        1,
        2,
        3,
    ):  # separable; a product with a banded n x n matrix beats a convolution on CPUs by far
        n = volumes.shape[axis]
        step = torch.arange(n, dtype=volumes.dtype, device=volumes.device)
        kernel = torch.exp(-0.5 * ((step[:, None] - step) / sigma_voxels).square())
        kernel = kernel / sampled_gaussian_sum(sigma_voxels)
        out = torch.tensordot(out, kernel, dims=([axis], [0])).movedim(-1, axis)
    return out


def sampled_gaussian_sum(sigma_voxels: float) -> float:
    """Sum of exp(-i^2 / 2 sigma^2) over all integers i; sigma * sqrt(2 pi) only when sigma is large."""
    reach = math.ceil(8.0 * sigma_voxels)
    return sum(math.exp(-0.5 * (i / sigma_voxels) ** 2) for i in range(-reach, reach + 1))


def lattice_blur_voxels(sigma_mm: float, spacing_mm: float) -> float:
    """Sigma of :func:`blur`, in voxels, that with trilinear interpolation gives ``sigma_mm``; 0 when none is needed.

    Interpolation adds a variance of spacing^2 / 6. A Gaussian sampled at whole voxels has less variance than its
    sigma says when that is below about half a voxel, so the sigma is found by bisection.
    """
    variance = sigma_mm**2 / spacing_mm**2 - 1.0 / 6.0
    if variance <= 0:
        return 0.0
    low, high = 0.1, math.sqrt(variance) + 1.0
    for _ in range(50):  # bisection of a monotone function
        middle = (low + high) / 2
        low, high = (middle, high) if _sampled_variance(middle) < variance else (low, middle)
    return high


def _sampled_variance(sigma_voxels: float) -> float:
    """Variance of exp(-i^2 / 2 sigma^2) over whole numbers i; sigma^2 only when sigma is large."""
    reach = math.ceil(8.0 * sigma_voxels)
    terms = [(i, math.exp(-0.5 * (i / sigma_voxels) ** 2)) for i in range(-reach, reach + 1)]
    return sum(i * i * term for i, term in terms) / sum(term for _, term in terms)


class SliceOperator:
    """Slices of one or several echoes at fixed poses, as a sparse matrix on the (blurred) lattice.

    forward: (echo, x, y, z) -> (pixel,), each pixel from its slice's own echo; adjoint: the transpose.
    Pixels whose quadrature leaves the lattice lose that part, as if the signal there were zero.
    """

    def __init__(
        self,
        grid: Grid,
        n_echoes: int,
        poses: Rigid,
        profile: Profile,
        *,
        points_mm: Tensor,
        slice_idx: Tensor,
        echo_idx: Tensor,
        normals: Tensor,
    ) -> None:
        """points_mm: (pixel, 3) world, before motion; slice_idx, echo_idx: (pixel,); normals: (slice, 3), unit."""
        self.grid = grid
        self.n_echoes = n_echoes
        moved_normals = (poses.rotation @ normals[..., None])[..., 0]
        self.arm_mm = _rotate(poses.rotation[slice_idx], points_mm - poses.centre_mm[slice_idx])
        centre = (poses.centre_mm + poses.shift_mm)[slice_idx] + self.arm_mm
        offsets, weights = profile.offsets_mm[slice_idx], profile.weights[slice_idx]
        self.moved_normals = moved_normals[slice_idx]
        self._offsets = offsets
        n_pixels, n_taps = len(points_mm), 8 * offsets.shape[1]
        column = torch.empty(n_pixels, n_taps, dtype=torch.int32, device=points_mm.device)
        weight = torch.empty(n_pixels, n_taps, dtype=weights.dtype, device=points_mm.device)
        for some in torch.arange(n_pixels, device=points_mm.device).split(PIXELS_AT_ONCE):  # bounds 64-bit scratch
            points = centre[some, None] + offsets[some, :, None] * self.moved_normals[some, None]
            index, weight[some] = _trilinear(grid, points, weights[some])
            column[some] = (index + (echo_idx[some] * grid.n_points)[:, None]).int()
        rows = torch.arange(0, n_pixels * n_taps + 1, n_taps, device=points_mm.device)
        self._matrix = csr(rows, column.flatten(), weight.flatten(), (n_pixels, n_echoes * grid.n_points))
        self._transpose: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Predicted pixels (pixel,) of blurred volumes (echo, x, y, z)."""
        return self._matrix @ x.reshape(-1)

    def adjoint(self, y: Tensor) -> Tensor:
        """Pixels (pixel,) carried back to (echo, x, y, z)."""
        return (self._transposed() @ y).reshape(self.n_echoes, *self.grid.shape)

    def pose_jacobian(self, x: Tensor) -> Tensor:
        """Derivative of every predicted pixel by its slice's rotation and shift, (pixel, 6), in 1/rad and 1/mm.

        The motion is a small rotation about the moved slice centre, then a shift (:meth:`Rigid.nudged`).
        """
        slope = torch.stack(torch.gradient(x, spacing=self.grid.spacing_mm, dim=(1, 2, 3)), -1).reshape(-1, 3)
        force = self._matrix @ slope
        weight = self._matrix.values().reshape(len(force), -1, self._offsets.shape[1])
        lever = (weight * self._offsets[:, None]).flatten()
        crow, column = self._matrix.crow_indices(), self._matrix.col_indices()
        pull = csr(crow, column, lever, tuple(self._matrix.shape)) @ slope
        torque = torch.linalg.cross(self.arm_mm, force) + torch.linalg.cross(self.moved_normals, pull)
        return torch.cat((torque, force), -1)

    def on_touched_points(self) -> Sampling:
        """The same product on those lattice points alone that some pixel touches."""
        column = self._matrix.col_indices()
        point, echo = column % self.grid.n_points, column // self.grid.n_points
        touched = torch.zeros(self.grid.n_points, dtype=torch.bool, device=column.device)
        touched[point] = True
        index = touched.nonzero()[:, 0]
        position = touched.cumsum(0, dtype=torch.int32) - 1
        shape = (len(self._matrix), len(index) * self.n_echoes)
        crow, weight = self._matrix.crow_indices(), self._matrix.values()
        return Sampling(index, self.n_echoes, csr(crow, position[point] * self.n_echoes + echo, weight, shape))

    def _transposed(self) -> Tensor:
        if self._transpose is None:
            self._transpose = transposed(self._matrix)
        return self._transpose


class Sampling:
    """A :class:`~fetalt2prep.core.operator.LinearOperator`: pixels of blurred signals at some lattice points.

    forward: (n, echo) -> (pixel,); adjoint: the transpose.
    """

    def __init__(self, index: Tensor, n_echoes: int, matrix: Tensor) -> None:
        """index: flat grid indices of the points, (n,); matrix: (pixel, n * echo)."""
        self.index = index
        self._n_echoes = n_echoes
        self._matrix, self._transpose = matrix, transposed(matrix)

    def forward(self, x: Tensor) -> Tensor:
        """(n, echo) -> (pixel,)."""
        return self._matrix @ x.reshape(-1)

    def adjoint(self, y: Tensor) -> Tensor:
        """(pixel,) -> (n, echo)."""
        return (self._transpose @ y).reshape(-1, self._n_echoes)


def _rotate(matrices: Tensor, vectors: Tensor) -> Tensor:
    return (matrices @ vectors[..., None])[..., 0]


def _trilinear(grid: Grid, points_mm: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Corner indices and weights of points (pixel, quad, 3) with weights (pixel, quad) -> two (pixel, 8 * quad)."""
    position = grid.index_of(points_mm)
    low = torch.floor(position)
    fraction = position - low
    low = low.long()
    size = torch.tensor(grid.shape, device=points_mm.device)
    index, weight = [], []
    for corner in range(8):  # the eight corners of a cell
        step = torch.tensor([corner >> 2 & 1, corner >> 1 & 1, corner & 1], device=points_mm.device)
        at = low + step
        inside = ((at >= 0) & (at < size)).all(-1)
        at = torch.minimum(at.clamp(min=0), size - 1)
        index.append((at[..., 0] * size[1] + at[..., 1]) * size[2] + at[..., 2])
        share = torch.where(step.bool(), fraction, 1 - fraction).prod(-1)
        weight.append(share * weights * inside)
    return torch.stack(index, 1).flatten(1), torch.stack(weight, 1).flatten(1)
