"""Rigid motions and grids."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import torch

from fetalt2prep.core.geometry import Grid, Rigid, best_rigid, rotation_matrix, rotation_vector, skew


def vectors(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_skew_is_the_cross_product():
    a, b = vectors(5), vectors(5, 1)
    torch.testing.assert_close((skew(a) @ b[..., None])[..., 0], torch.linalg.cross(a, b))


def test_a_quarter_turn_about_z_takes_x_to_y():
    turn = rotation_matrix(torch.tensor([0.0, 0.0, torch.pi / 2], dtype=torch.float64))
    torch.testing.assert_close(turn @ turn.new_tensor([1.0, 0.0, 0.0]), turn.new_tensor([0.0, 1.0, 0.0]))


@pytest.mark.parametrize("angle_rad", [0.0, 1e-7, 1e-4, 0.01, 1.0, 3.0])
def test_rotation_vector_undoes_rotation_matrix(angle_rad):
    rotvec = angle_rad * torch.nn.functional.normalize(vectors(20), dim=-1)
    torch.testing.assert_close(rotation_vector(rotation_matrix(rotvec)), rotvec, atol=1e-9, rtol=1e-6)


def test_rotation_matrices_are_proper():
    turn = rotation_matrix(vectors(10))
    torch.testing.assert_close(turn @ turn.transpose(1, 2), torch.eye(3, dtype=torch.float64).expand(10, 3, 3))
    torch.testing.assert_close(torch.det(turn), torch.ones(10, dtype=torch.float64))


def by_matrix(poses: Rigid, points: torch.Tensor) -> torch.Tensor:
    matrix = poses.matrix()
    return (matrix[:, :, :3] @ points[..., None])[..., 0] + matrix[:, :, 3]


def test_matrix_move_and_about_are_one_motion(draw_poses):
    poses = draw_poses(10 * vectors(6, 2))
    points = 20 * vectors(6, 3)
    moved = poses.move(points, torch.arange(6))
    torch.testing.assert_close(by_matrix(poses, points), moved)
    elsewhere = poses.about(30 * vectors(6, 4))
    torch.testing.assert_close(elsewhere.move(points, torch.arange(6)), moved)


def test_followed_by_applies_the_second_motion_after_the_first(draw_poses):
    poses = draw_poses(10 * vectors(6, 2))
    points = 20 * vectors(6, 3)
    turn, shift = rotation_matrix(vectors(1, 5)[0]), vectors(1, 6)[0]
    expected = poses.move(points, torch.arange(6)) @ turn.T + shift
    torch.testing.assert_close(poses.followed_by(turn, shift).move(points, torch.arange(6)), expected)


def test_nudged_turns_about_the_moved_centre(draw_poses):
    centres = 10 * vectors(6, 2)
    poses = draw_poses(centres)
    nudged = poses.nudged(0.1 * vectors(6, 7), torch.zeros_like(centres))
    which = torch.arange(6)
    torch.testing.assert_close(nudged.move(centres, which), poses.move(centres, which))


def test_identity_and_select(draw_poses):
    centres = 10 * vectors(4, 2)
    points = vectors(4, 3)
    torch.testing.assert_close(Rigid.identity(centres).move(points, torch.arange(4)), points)
    poses = draw_poses(centres)
    chosen = poses.select(torch.tensor([2, 0]))
    torch.testing.assert_close(chosen.move(points[:2], torch.arange(2)), poses.move(points[:2], torch.tensor([2, 0])))


def test_best_rigid_finds_the_motion():
    source = 20 * vectors(30)
    turn, shift = rotation_matrix(vectors(1, 5)[0]), 10 * vectors(1, 6)[0]
    rotation, offset = best_rigid(source, source @ turn.T + shift)
    torch.testing.assert_close(rotation, turn)
    torch.testing.assert_close(offset, shift)


def test_best_rigid_never_mirrors():
    source = 20 * vectors(30)
    rotation, _ = best_rigid(source, source * source.new_tensor([-1.0, 1.0, 1.0]))
    assert float(torch.det(rotation)) == pytest.approx(1.0)


@pytest.mark.parametrize(("spacing", "margin", "multiple"), [(0.8, 5.8, 8), (2.5, 0.0, 1), (1.3, 3.0, 4)])
def test_grid_around_holds_the_points_with_their_margin(spacing, margin, multiple):
    points = 15 * vectors(50) + 40
    grid = Grid.around(points, spacing, margin, multiple)
    assert all((n - 1) % multiple == 0 and n > 1 for n in grid.shape)
    first = torch.tensor(grid.origin_mm, dtype=torch.float64)
    last = first + spacing * (torch.tensor(grid.shape) - 1)
    assert bool((first <= points.min(0).values - margin + 1e-9).all())
    assert bool((last >= points.max(0).values + margin - 1e-9).all())
    room = (last - first) - (points.max(0).values - points.min(0).values) - 2 * margin
    assert bool((room < spacing * multiple).all())


def test_grid_index_and_affine_name_the_same_points():
    grid = Grid((-3.0, 4.5, 10.0), 1.5, (5, 6, 7))
    points = grid.points_mm().double()
    index = torch.stack(torch.meshgrid(*(torch.arange(n) for n in grid.shape), indexing="ij"), -1)
    torch.testing.assert_close(grid.index_of(points), index.double())
    np.testing.assert_allclose(nib.affines.apply_affine(grid.affine, index.numpy()), points.numpy(), atol=1e-6)
    assert grid.n_points == 5 * 6 * 7


@pytest.mark.parametrize(("dtype", "tolerance_mm"), [(torch.float64, 1e-4), (torch.float32, 1e-3)])
def test_motion_of_an_oblique_stack_agrees_with_nibabel_affines(dtype, tolerance_mm):
    rng = np.random.default_rng(3)
    stack_to_world = np.eye(4)
    stack_to_world[:3, :3] = rotation_matrix(torch.tensor([0.4, -0.7, 0.3], dtype=torch.float64)).numpy()
    stack_to_world[:3, :3] *= [1.1, 1.1, 3.3]
    stack_to_world[:3, 3] = [-60.0, 35.0, 20.0]
    voxels = rng.uniform(0, 60, (200, 3))
    world = nib.affines.apply_affine(stack_to_world, voxels)
    centre = world.mean(0)
    pose = Rigid(
        rotation_matrix(torch.tensor([[0.2, 0.1, -0.3]], dtype=dtype)),
        torch.tensor([[3.0, -2.0, 5.0]], dtype=dtype),
        torch.as_tensor(centre[None], dtype=dtype),
    )
    moved = pose.move(torch.as_tensor(world, dtype=dtype), torch.zeros(200, dtype=torch.long)).double().numpy()
    motion = np.eye(4)
    motion[:3] = pose.matrix()[0].double().numpy()
    np.testing.assert_allclose(nib.affines.apply_affine(motion @ stack_to_world, voxels), moved, atol=tolerance_mm)
    turn = rotation_matrix(torch.tensor([0.2, 0.1, -0.3], dtype=torch.float64)).numpy()
    np.testing.assert_allclose((world - centre) @ turn.T + centre + [3, -2, 5], moved, atol=tolerance_mm)
