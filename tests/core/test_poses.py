"""Registration of slices and stacks to a known volume."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fetalt2prep.core.geometry import Grid, Rigid, rotation_matrix, rotation_vector
from fetalt2prep.core.recon.poses import PosePrior, PosePull, anchored, gauss_newton_step, group_centres
from fetalt2prep.core.recon.slices import Slices, flatten
from fetalt2prep.core.slice_op import blur, lattice_blur_voxels

TE_S = (0.08, 0.2)
SPACING_MM = 2.0
MOTION = {  # rotation vector (rad) about the head's centre, shift (mm): scanner to head
    "axial": ((0.06, -0.05, 0.08), (2.0, -1.5, 1.0)),
    "coronal": ((-0.05, 0.07, 0.04), (-1.5, 2.0, -2.0)),
    "sagittal": ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
}


@pytest.fixture(scope="module")
def moved(phantom) -> tuple[Slices, torch.Tensor, Grid]:
    """Six stacks that moved, the true volume through the isotropic blur, its lattice."""
    stacks = [
        phantom.stack(te, plane, rotvec_rad=turn, shift_mm=shift, noise=5.0, seed=n)
        for n, (te, (plane, (turn, shift))) in enumerate((te, item) for te in TE_S for item in MOTION.items())
    ]
    slices = flatten(stacks)
    grid = Grid(tuple((phantom.centre_mm - 26).tolist()), SPACING_MM, (27, 27, 27))
    volume = phantom.volume(grid.points_mm(), TE_S) / slices.scale
    return slices, blur(volume, lattice_blur_voxels(slices.blur_sigma_mm, SPACING_MM)), grid


def register(moved, poses: Rigid, groups: torch.Tensor, n_steps: int, *, linked: bool) -> Rigid:
    slices, volume, grid = moved
    for _ in range(n_steps):
        operator = slices.operator(grid, poses)
        residual = operator.forward(volume) - slices.values
        weights = torch.full_like(residual, 1 / 0.02**2)
        jacobian = operator.pose_jacobian(volume)
        pull = PosePull(slices=slices, poses=poses, jacobian=jacobian, residual=residual, weights=weights)
        poses = gauss_newton_step(pull, groups, linked=linked)
    return poses


def errors(phantom, slices: Slices, poses: Rigid) -> tuple[torch.Tensor, torch.Tensor]:
    """Distance of the true from the found position of each slice's pixels (mm, mean), and angle (deg), per slice."""
    turns = rotation_matrix(torch.tensor([MOTION[name.split("_")[1]][0] for name in slices.names]))[slices.stack_of]
    shifts = torch.tensor([MOTION[name.split("_")[1]][1] for name in slices.names])[slices.stack_of]
    centre = torch.as_tensor(phantom.centre_mm, dtype=torch.float32).expand(slices.n_slices, 3)
    true = Rigid(turns, shifts, centre)
    distance = poses.move(slices.points_mm, slices.slice_idx) - true.move(slices.points_mm, slices.slice_idx)
    angle = rotation_vector(poses.rotation @ turns.transpose(1, 2)).norm(dim=-1)
    return slices.mean_per_slice(distance.norm(dim=-1)), torch.rad2deg(angle)


def test_the_true_motion_of_every_stack_is_found(phantom, moved):
    slices = moved[0]
    start = Rigid.identity(slices.centres_mm)
    before_mm, before_deg = errors(phantom, slices, start)
    poses = register(moved, start, slices.stack_of, 20, linked=False)
    after_mm, after_deg = errors(phantom, slices, poses)
    assert float(before_mm.max()) > 3
    assert float(before_deg.max()) > 5
    assert float(after_mm.max()) < 0.5
    assert float(after_deg.max()) < 1.0


def test_slices_of_a_stack_move_as_one(moved):
    slices = moved[0]
    poses = register(moved, Rigid.identity(slices.centres_mm), slices.stack_of, 3, linked=False)
    matrix = poses.matrix()
    for stack in range(len(slices.names)):
        mine = matrix[slices.stack_of == stack]
        torch.testing.assert_close(mine, mine[:1].expand_as(mine), atol=1e-4, rtol=1e-4)


def test_single_slices_find_their_place(phantom, moved):
    slices = moved[0]
    start = register(moved, Rigid.identity(slices.centres_mm), slices.stack_of, 8, linked=False)
    poses = register(moved, start, torch.arange(slices.n_slices), 15, linked=True)
    seen = slices.sum_per_slice(torch.ones_like(slices.values)) > 40
    after_mm, _ = errors(phantom, slices, poses)
    assert float(after_mm[seen].mean()) < 0.5
    assert bool(torch.isfinite(poses.matrix()).all())


def test_a_step_is_never_longer_than_the_prior_allows(moved):
    slices, volume, grid = moved
    start = Rigid.identity(slices.centres_mm)
    far = start.followed_by(rotation_matrix(torch.tensor([0.3, 0.0, 0.0])), torch.tensor([6.0, 0.0, 0.0]))
    operator = slices.operator(grid, far)
    residual = operator.forward(volume) - slices.values
    prior = PosePrior(max_rotation_rad=0.01, max_shift_mm=0.1)
    which = torch.arange(slices.n_slices)
    jacobian = operator.pose_jacobian(volume)
    sure = torch.full_like(residual, 1e6)
    pull = PosePull(slices=slices, poses=far, jacobian=jacobian, residual=residual, weights=sure, prior=prior)
    near = gauss_newton_step(pull, which, linked=False)
    turn = rotation_vector(near.rotation @ far.rotation.transpose(1, 2)).norm(dim=-1)
    assert float(turn.max()) < 0.0101
    assert float((near.shift_mm - far.shift_mm).norm(dim=-1).max()) < 0.101


def test_without_weight_nothing_moves(moved, draw_poses):
    slices, volume, grid = moved
    poses = draw_poses(slices.centres_mm, 0.05, 1.0)
    operator = slices.operator(grid, poses)
    residual = operator.forward(volume) - slices.values
    jacobian, nothing = operator.pose_jacobian(volume), torch.zeros_like(residual)
    pull = PosePull(slices=slices, poses=poses, jacobian=jacobian, residual=residual, weights=nothing)
    still = gauss_newton_step(pull, slices.stack_of, linked=False)
    torch.testing.assert_close(still.matrix(), poses.matrix(), atol=1e-4, rtol=1e-5)


def test_the_tie_between_neighbours_pulls_a_lost_slice_back_and_a_common_motion_costs_nothing(moved):
    slices, volume, grid = moved
    which = torch.arange(slices.n_slices)
    operator = slices.operator(grid, Rigid.identity(slices.centres_mm))
    jacobian, blank = operator.pose_jacobian(volume), torch.zeros_like(slices.values)

    def tie(poses: Rigid) -> Rigid:
        pull = PosePull(slices=slices, poses=poses, jacobian=jacobian, residual=blank, weights=blank)
        return gauss_newton_step(pull, which, linked=True)

    still = Rigid.identity(slices.centres_mm)
    together = still.followed_by(rotation_matrix(torch.tensor([0.2, -0.1, 0.1])), torch.tensor([3.0, 1.0, -2.0]))
    torch.testing.assert_close(tie(together).matrix(), together.matrix(), atol=2e-3, rtol=1e-3)
    lost = Rigid(still.rotation, still.shift_mm.clone(), still.centre_mm)
    lost.shift_mm[4, 0] = 1.0
    found = tie(lost)
    assert 0.1 < float(found.shift_mm[4, 0]) < 0.9
    assert float(found.shift_mm[slices.stack_of != slices.stack_of[4]].abs().max()) < 1e-5


def test_anchoring_takes_off_what_all_slices_have_in_common(moved, draw_poses):
    slices = moved[0]
    poses = draw_poses(slices.centres_mm, 0.02, 0.5)
    once = anchored(slices, poses)
    drifted = poses.followed_by(rotation_matrix(torch.tensor([0.2, -0.1, 0.1])), torch.tensor([3.0, 1.0, -2.0]))
    torch.testing.assert_close(anchored(slices, drifted).matrix(), once.matrix(), atol=2e-3, rtol=1e-3)
    offset = (once.move(slices.points_mm, slices.slice_idx) - slices.points_mm).mean(0)
    assert float(offset.norm()) < 1e-3


def test_group_centres_are_weighted_by_pixels(moved):
    slices = moved[0]
    centres = group_centres(slices, Rigid.identity(slices.centres_mm), slices.stack_of)
    mine = slices.stack_of == 1
    n_pixels = slices.sum_per_slice(torch.ones_like(slices.values))[mine].double().numpy()
    by_hand = np.average(slices.centres_mm[mine].double().numpy(), axis=0, weights=np.maximum(n_pixels, 1e-3))
    np.testing.assert_allclose(centres[mine][0].numpy(), by_hand, atol=1e-3)


def test_acquisition_order_follows_the_slice_times(phantom):
    stack = phantom.stack(0.08, "axial")
    times = np.array([0.0, 5, 1, 6, 2, 7, 3, 8, 4])
    slices = flatten([replace(stack, slice_times_s=times)])
    assert slices.order.tolist() == [0, 5, 1, 6, 2, 7, 3, 8, 4]
    assert slices.time_s.tolist() == times.tolist()
    unknown = flatten([stack])
    assert unknown.order.tolist() == list(range(9))
    assert bool(torch.isnan(unknown.time_s).all())
