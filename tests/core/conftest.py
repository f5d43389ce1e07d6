"""An analytic head: Gaussian blobs, whose image through a Gaussian point spread function is known in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch

from fetalt2prep.core.geometry import Rigid, rotation_matrix
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.core.slice_op import FWHM_TO_SIGMA, IN_PLANE_FWHM
from fetalt2prep.core.stack import Stack

CENTRE_MM = np.array([5.0, -8.0, 3.0])
SEMI_AXES_MM = np.array([15.0, 12.0, 13.5])
# centre relative to the head (mm), standard deviation (mm), S0 (scanner units), T2 (s)
BLOBS = (
    ((0.0, 0.0, 0.0), 14.0, 900.0, 0.14),
    ((6.0, 3.0, -4.0), 3.2, 500.0, 0.30),
    ((-5.0, -4.0, 3.0), 3.6, 450.0, 0.25),
    ((-3.0, 6.0, -5.0), 3.0, 500.0, 0.35),
    ((4.0, -5.0, 6.0), 2.8, 450.0, 0.28),
)
PLANES = {"axial": (0, 1, 2), "coronal": (0, 2, 1), "sagittal": (1, 2, 0)}  # world axes of the voxel axes
VOXEL_MM, THICKNESS_MM = 2.0, 4.0


@dataclass(frozen=True)
class Phantom:
    """Signal of the head at world points, as it is and as a slice sees it."""

    centre_mm: np.ndarray = field(default_factory=lambda: CENTRE_MM)
    semi_axes_mm: np.ndarray = field(default_factory=lambda: SEMI_AXES_MM)

    def inside(self, points_mm: np.ndarray) -> np.ndarray:
        return (((points_mm - self.centre_mm) / self.semi_axes_mm) ** 2).sum(-1) <= 1.0

    def signal(
        self,
        points_mm: np.ndarray,
        te_s: float,
        normals: np.ndarray | None = None,
        sigma_mm: tuple[float, float] = (0.0, 0.0),
    ) -> np.ndarray:
        """Points (*, 3); convolved with a PSF of these standard deviations (in plane, along the normals (*, 3))."""
        total = np.zeros(points_mm.shape[:-1])
        for offset, spread, s0, t2_s in BLOBS:
            arm = points_mm - self.centre_mm - np.array(offset)
            along = 0.0 if normals is None else (arm * normals).sum(-1)
            across_var, along_var = spread**2 + sigma_mm[0] ** 2, spread**2 + sigma_mm[1] ** 2
            height = spread**3 / (across_var * np.sqrt(along_var))
            exponent = ((arm**2).sum(-1) - along**2) / across_var + along**2 / along_var
            total += s0 * np.exp(-te_s / t2_s) * height * np.exp(-0.5 * exponent)
        return total

    def volume(self, points_mm: torch.Tensor, te_s: Sequence[float]) -> torch.Tensor:
        """Echoes on a lattice, (x, y, z, 3) -> (echo, x, y, z)."""
        points = points_mm.double().numpy()
        return torch.as_tensor(np.stack([self.signal(points, te) for te in te_s]), dtype=torch.float32)

    def t2_s(self, points_mm: np.ndarray, te_s: Sequence[float]) -> np.ndarray:
        """Apparent T2 of the true echoes, by the slope of log-signal weighted by the signal's square, (*)."""
        echoes = np.stack([self.signal(points_mm, te) for te in te_s])
        te = np.asarray(te_s).reshape(-1, *[1] * (echoes.ndim - 1))
        weight = echoes**2 / (echoes**2).sum(0)
        delay = te - (weight * te).sum(0)
        return -(weight * delay**2).sum(0) / (weight * delay * np.log(echoes)).sum(0)

    def stack(
        self,
        te_s: float,
        plane: str,
        *,
        rotvec_rad: Sequence[float] = (0.0, 0.0, 0.0),
        shift_mm: Sequence[float] = (0.0, 0.0, 0.0),
        noise: float = 0.0,
        seed: int = 0,
        name: str | None = None,
    ) -> Stack:
        """A stack of thick slices of the head; the motion takes scanner points to the head, about the head's centre."""
        axes = np.eye(3)[list(PLANES[plane])]
        n = np.array([18, 18, 9])
        steps = np.array([VOXEL_MM, VOXEL_MM, THICKNESS_MM])
        affine = np.eye(4)
        affine[:3, :3] = axes.T * steps
        affine[:3, 3] = self.centre_mm - affine[:3, :3] @ ((n - 1) / 2)
        index = np.moveaxis(np.indices(tuple(n)), 0, -1)
        points = index @ affine[:3, :3].T + affine[:3, 3]
        rotation = rotation_matrix(torch.tensor(rotvec_rad, dtype=torch.float64)).numpy()
        moved = (points - self.centre_mm) @ rotation.T + self.centre_mm + np.asarray(shift_mm)
        normal = rotation @ np.cross(axes[0], axes[1])
        sigma = (IN_PLANE_FWHM * VOXEL_MM * FWHM_TO_SIGMA, THICKNESS_MM * FWHM_TO_SIGMA)
        pixels = self.signal(moved, te_s, np.broadcast_to(normal, moved.shape), sigma)
        if noise:
            rng = np.random.default_rng(seed)
            pixels = np.hypot(pixels + noise * rng.normal(size=pixels.shape), noise * rng.normal(size=pixels.shape))
        return Stack(
            name=name or f"te-{round(1000 * te_s)}_{plane}",
            pixels=pixels.astype(np.float32),
            mask=self.inside(moved),
            affine=affine,
            te_s=te_s,
            thickness_mm=THICKNESS_MM,
        )

    def motions(self, n_stacks: int, size: float = 1.0) -> list[tuple[np.ndarray, np.ndarray]]:
        """Rotation vector (rad) and shift (mm) of every stack, as :meth:`session` has them."""
        rng = np.random.default_rng(7)
        return [(rng.normal(0.0, 0.02 * size, 3), rng.normal(0.0, 0.4 * size, 3)) for _ in range(n_stacks)]

    def session(
        self, te_s: Sequence[float], planes: Sequence[str] = tuple(PLANES), *, noise: float = 6.0, motion: float = 1.0
    ) -> list[Stack]:
        """Every plane at every echo time, each stack a little out of place, with noise."""
        kinds = [(te, plane) for te in te_s for plane in planes]
        return [
            self.stack(te, plane, rotvec_rad=turn, shift_mm=shift, noise=noise, seed=number)
            for number, ((te, plane), (turn, shift)) in enumerate(
                zip(kinds, self.motions(len(kinds), motion), strict=True)
            )
        ]


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Tiny arrays: a second thread costs more than it gives."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    return Phantom()


@pytest.fixture(scope="session")
def options():
    """``options(model=...)``: a lattice of 2.5 mm, whatever else is asked."""

    def build(**changes) -> ReconOptions:
        return replace(ReconOptions(resolution_mm=2.5, profile="gaussian"), **changes)

    return build


@pytest.fixture
def draw_poses():
    """``draw_poses(centres_mm, rotation_rad, shift_mm, seed)``: random rigid motions about the centres (slice, 3)."""

    def draw(centres_mm: torch.Tensor, rotation_rad: float = 0.3, shift_mm: float = 2.0, seed: int = 0) -> Rigid:
        generator = torch.Generator().manual_seed(seed)
        rotvec = rotation_rad * torch.randn(centres_mm.shape, generator=generator, dtype=centres_mm.dtype)
        shift = shift_mm * torch.randn(centres_mm.shape, generator=generator, dtype=centres_mm.dtype)
        return Rigid(rotation_matrix(rotvec), shift, centres_mm)

    return draw
