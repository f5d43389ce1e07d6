"""Slice acquisition: exact adjoint, the asked point spread function, exact derivatives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fetalt2prep.core.geometry import Grid, Rigid, rotation_matrix
from fetalt2prep.core.operator import adjoint_mismatch, apply
from fetalt2prep.core.recon import options
from fetalt2prep.core.slice_op import (
    FWHM_TO_SIGMA,
    PROFILES,
    SliceOperator,
    blur,
    box_profile,
    gaussian_profile,
    in_plane_sigma_mm,
    lattice_blur_voxels,
)

GRID = Grid((-12.0, -14.0, -10.0), 1.0, (25, 29, 21))


def plane_of_pixels(n: int, spacing_mm: float, n_slices: int, gap_mm: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Points (pixel, 3) of slices across z around the origin, and the slice of each."""
    axis = (torch.arange(n) - (n - 1) / 2) * spacing_mm
    z = (torch.arange(n_slices) - (n_slices - 1) / 2) * gap_mm
    points = torch.stack(torch.meshgrid(z, axis, axis, indexing="ij"), -1).flip(-1).reshape(-1, 3)
    return points, torch.arange(n_slices).repeat_interleave(n * n)


@pytest.fixture
def build(draw_poses):
    """``build(...)``: an operator on four slices of two echoes at random poses."""

    def make(
        grid: Grid = GRID, rotation_rad: float = 0.4, thickness_mm: float = 3.0, poses: Rigid | None = None
    ) -> SliceOperator:
        points, slice_idx = plane_of_pixels(8, 1.2, 4, 3.0)
        centres = torch.stack([points[slice_idx == j].mean(0) for j in range(4)])
        return SliceOperator(
            grid,
            2,
            poses or draw_poses(centres, rotation_rad, 1.0),
            gaussian_profile(torch.full((4,), thickness_mm), in_plane_sigma_mm(1.2)),
            points_mm=points,
            slice_idx=slice_idx,
            echo_idx=slice_idx % 2,
            normals=torch.tensor([[0.0, 0.0, 1.0]]).expand(4, 3),
        )

    return make


def test_adjoint_pairing(build):
    operator = build()
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(2, *GRID.shape, generator=generator)
    y = torch.rand(4 * 64, generator=generator)
    assert adjoint_mismatch(operator, x, y) < 1e-4


def test_autograd_goes_through_the_adjoint(build):
    operator = build()
    x = torch.rand(2, *GRID.shape, requires_grad=True)
    y = torch.rand(4 * 64)
    (apply(operator, x) * y).sum().backward()
    torch.testing.assert_close(x.grad, operator.adjoint(y))


def test_blur_is_its_own_adjoint_and_keeps_the_sum():
    generator = torch.Generator().manual_seed(1)
    x, y = (torch.randn(2, 15, 13, 14, generator=generator, dtype=torch.float64) for _ in range(2))
    torch.testing.assert_close((blur(x, 1.3) * y).sum(), (x * blur(y, 1.3)).sum())
    delta = torch.zeros(1, 21, 21, 21, dtype=torch.float64)
    delta[0, 10, 10, 10] = 1.0
    for sigma in (0.3, 1.0, 1.8):
        assert float(blur(delta, sigma).sum()) == pytest.approx(1.0, abs=1e-6)
    assert blur(x, 0.0) is x


def test_each_slice_sees_its_own_echo(build):
    x = torch.zeros(2, *GRID.shape)
    x[1] = 1.0
    seen = build(rotation_rad=0.1).forward(x).reshape(4, 64)
    assert float(seen[[0, 2]].abs().max()) == 0.0
    torch.testing.assert_close(seen[[1, 3]], torch.ones(2, 64))


def test_nothing_is_seen_beyond_the_lattice(build):
    far = Rigid(torch.eye(3).expand(4, 3, 3), torch.full((4, 3), 100.0), torch.zeros(4, 3))
    assert float(build(poses=far).forward(torch.ones(2, *GRID.shape)).abs().max()) == 0.0


@pytest.mark.parametrize("rotvec", [(0.0, 0.0, 0.0), (0.5, -0.3, 0.4), (0.0, 0.785, 0.0)])
@pytest.mark.parametrize(("voxel_mm", "thickness_mm"), [(1.1, 3.0), (1.2, 3.5), (1.5, 2.2), (2.0, 4.0)])
def test_point_spread_has_the_asked_second_moments(rotvec, voxel_mm, thickness_mm):
    """A point source seen by a dense, oblique grid of slices: FWHM 1.09 pixels in plane, one thickness across."""
    grid = Grid((-12.0, -12.0, -12.0), 0.8, (31, 31, 31))
    sigma = in_plane_sigma_mm(voxel_mm)
    points, _ = plane_of_pixels(35, 0.41, 39, 0.43)
    rotation = rotation_matrix(torch.tensor(rotvec))
    operator = SliceOperator(
        grid,
        1,
        Rigid(rotation[None], torch.tensor([[0.11, -0.23, 0.17]]), torch.zeros(1, 3)),
        gaussian_profile(torch.tensor([thickness_mm]), sigma),
        points_mm=points,
        slice_idx=torch.zeros(len(points), dtype=torch.long),
        echo_idx=torch.zeros(len(points), dtype=torch.long),
        normals=torch.tensor([[0.0, 0.0, 1.0]]),
    )
    delta = torch.zeros(1, *grid.shape)
    delta[0, 15, 15, 15] = 1.0
    seen = operator.forward(blur(delta, lattice_blur_voxels(sigma, grid.spacing_mm))).double()
    mass = seen / seen.sum()
    mean = mass @ points.double()
    covariance = (points.double() - mean).T @ (mass[:, None] * (points.double() - mean))
    in_plane, across = sigma**2, (thickness_mm * FWHM_TO_SIGMA) ** 2
    expected = torch.diag(torch.tensor([in_plane, in_plane, across], dtype=torch.float64))
    assert float((covariance - expected).diagonal()[:2].abs().max()) < 0.06 * in_plane, (
        covariance.diagonal() / expected.diagonal()
    )
    assert abs(float(covariance[2, 2]) / across - 1) < 0.06
    assert float((covariance - torch.diag(covariance.diagonal())).abs().max()) < 0.05 * in_plane


def test_box_profile_is_even_over_one_thickness():
    """Variance of a box, t^2 / 12; slices of other thickness keep the shape; half a step inside the edge."""
    profile = box_profile(torch.tensor([4.5, 3.0]), 0.7)
    assert profile.offsets_mm.shape == profile.weights.shape
    torch.testing.assert_close(profile.weights.sum(1), torch.ones(2))
    spread = (profile.weights * profile.offsets_mm.square()).sum(1).sqrt()
    step = float(profile.offsets_mm[0, 1] - profile.offsets_mm[0, 0])
    assert step <= 1.9 * 0.7
    torch.testing.assert_close(spread, torch.tensor([4.5, 3.0]) / 12**0.5, rtol=0.04, atol=0)
    assert float(profile.offsets_mm[0, -1]) == pytest.approx((4.5 - step) / 2, rel=1e-5)
    assert set(PROFILES) == set(options.PROFILES)


def test_sampling_on_touched_points_is_the_operator(build, draw_poses):
    operator = build(poses=draw_poses(torch.zeros(4, 3)))
    sampling = operator.on_touched_points()
    x, y = torch.rand(2, *GRID.shape), torch.rand(4 * 64)
    packed = x.reshape(2, -1)[:, sampling.index].T
    torch.testing.assert_close(sampling.forward(packed), operator.forward(x))
    torch.testing.assert_close(sampling.adjoint(y), operator.adjoint(y).reshape(2, -1)[:, sampling.index].T)
    assert adjoint_mismatch(sampling, packed, y) < 1e-6


def test_jacobian_of_a_ramp_is_exact(build, draw_poses):
    """Trilinear interpolation and central differences are both exact for a ramp: d/dx = slope, turns act by the arm."""
    slope = torch.tensor([0.3, -0.2, 0.5])
    ramp = (GRID.points_mm() @ slope).expand(2, *GRID.shape)
    points, slice_idx = plane_of_pixels(8, 1.2, 4, 3.0)
    centres = torch.stack([points[slice_idx == j].mean(0) for j in range(4)])
    poses = draw_poses(centres, 0.3, 0.5)
    jacobian = build(poses=poses).pose_jacobian(ramp)
    arm = (poses.rotation[slice_idx] @ (points - centres[slice_idx])[..., None])[..., 0]
    torch.testing.assert_close(jacobian[:, 3:], slope.expand(256, 3), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(jacobian[:, :3], torch.linalg.cross(arm, slope.expand(256, 3)), atol=1e-3, rtol=1e-3)


def test_jacobian_is_the_derivative_of_the_prediction(build, draw_poses):
    grid = Grid((-15.0, -15.0, -15.0), 0.75, (41, 41, 41))
    points = grid.points_mm()
    smooth = torch.stack([torch.exp(-((points - at) / 6.0).square().sum(-1) / 2) for at in (1.0, -2.0)])
    poses = draw_poses(torch.tensor([[0.0, 0.0, z] for z in (-4.5, -1.5, 1.5, 4.5)]), 0.2, 0.5)
    jacobian = build(grid, poses=poses).pose_jacobian(smooth)
    steps = [0.05] * 3 + [0.75] * 3  # rad, mm: a cell of the lattice, whose interpolation has kinks at its points
    for parameter, step in enumerate(steps):
        change = torch.zeros(4, 6)
        change[:, parameter] = step
        ahead, behind = (
            build(grid, poses=poses.nudged(sign * change[:, :3], sign * change[:, 3:])).forward(smooth)
            for sign in (1, -1)
        )
        slope = (ahead - behind) / (2 * step)
        assert float((slope - jacobian[:, parameter]).norm() / slope.norm()) < 0.05


@pytest.fixture(scope="module")
def oblique():
    """Pixels of one oblique slice through the phantom, its pose, PSF widths."""
    points, slice_idx = plane_of_pixels(9, 1.5, 1, 1.0)
    rotation = rotation_matrix(torch.tensor([[0.5, -0.4, 0.2]]))
    return points, slice_idx, rotation, in_plane_sigma_mm(1.2), 4.0


def test_lattice_form_agrees_with_the_point_spread_function_sampled_and_in_closed_form(phantom, oblique):
    points, slice_idx, rotation, sigma, thickness = oblique
    centre = torch.as_tensor(phantom.centre_mm, dtype=torch.float32)
    pose = Rigid(rotation, centre[None], torch.zeros(1, 3))
    grid = Grid(tuple((phantom.centre_mm - 16).tolist()), 1.0, (33, 33, 33))
    operator = SliceOperator(
        grid,
        1,
        pose,
        gaussian_profile(torch.tensor([thickness]), sigma),
        points_mm=points,
        slice_idx=slice_idx,
        echo_idx=torch.zeros_like(slice_idx),
        normals=torch.tensor([[0.0, 0.0, 1.0]]),
    )
    volume = blur(phantom.volume(grid.points_mm(), [0.1]), lattice_blur_voxels(sigma, 1.0))
    predicted = operator.forward(volume).numpy()
    moved = pose.move(points, slice_idx).double().numpy()
    normal = rotation[0, :, 2].double().numpy()
    across = thickness * FWHM_TO_SIGMA
    exact = phantom.signal(moved, 0.1, np.broadcast_to(normal, moved.shape), (sigma, across))
    # Monte Carlo: isotropic jitter of the in-plane width, more of it along the normal
    rng = np.random.default_rng(0)
    jitter = rng.normal(0, sigma, (4000, 1, 3))
    jitter = jitter + normal * rng.normal(0, np.sqrt(across**2 - sigma**2), (4000, 1, 1))
    sampled = phantom.signal(moved + jitter, 0.1).mean(0)
    np.testing.assert_allclose(sampled, exact, rtol=0.02)
    np.testing.assert_allclose(predicted, exact, rtol=0.01)
    np.testing.assert_allclose(predicted, sampled, rtol=0.02)
    # worth: the point spread function matters here
    plain = phantom.signal(moved, 0.1)
    assert np.abs(plain - exact).mean() > 5 * np.abs(predicted - exact).mean()
