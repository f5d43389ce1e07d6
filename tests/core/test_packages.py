"""Interleave packages: from slice times, from the pictures, and registered as such."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fetalt2prep.core.geometry import Grid, Rigid, best_rigid, rotation_matrix
from fetalt2prep.core.recon.joint import reconstruct
from fetalt2prep.core.recon.packages import with_found_packages
from fetalt2prep.core.recon.poses import PosePull
from fetalt2prep.core.recon.slices import Slices, flatten
from fetalt2prep.core.recon.sweeps import sweeps
from fetalt2prep.core.slice_op import blur, lattice_blur_voxels
from fetalt2prep.core.stack import Stack

TE_S = (0.08, 0.2)
TURN_RAD, SHIFT_MM = (0.07, -0.05, 0.06), (1.5, -1.5, 1.5)  # of the slices that moved
MOVED_STACKS = (0, 1, 3)


def combed(phantom, moved: np.ndarray, times: np.ndarray | None = None, size: float = 1.0) -> list[Stack]:
    """Six stacks; in some, slices of a mask (slice,) were taken after the head had moved."""
    stacks = phantom.session(TE_S, motion=0.3)
    for n in MOVED_STACKS:
        one = stacks[n]
        te_s, plane = one.te_s, one.name.split("_")[1]
        turn, shift = (size * np.array(part) for part in (TURN_RAD, SHIFT_MM))
        other = phantom.stack(te_s, plane, rotvec_rad=turn, shift_mm=shift, noise=6.0, seed=50 + n)
        pixels, mask = one.pixels.copy(), one.mask.copy()
        pixels[:, :, moved], mask[:, :, moved] = other.pixels[:, :, moved], other.mask[:, :, moved]
        stacks[n] = replace(one, pixels=pixels, mask=mask)
    return [replace(stack, slice_times_s=times) for stack in stacks]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ([0, 1, 2, 3, 4, 5], [0, 0, 0, 0, 0, 0]),
        ([5, 4, 3, 2, 1, 0], [0, 0, 0, 0, 0, 0]),
        ([0, 2, 4, 6, 1, 3, 5], [0, 1, 0, 1, 0, 1, 0]),
        ([1, 3, 5, 0, 2, 4], [1, 0, 1, 0, 1, 0]),
        ([5, 3, 1, 6, 4, 2, 0], [1, 0, 1, 0, 1, 0, 1]),
        ([0, 3, 6, 1, 4, 7, 2, 5, 8], [0, 1, 2, 0, 1, 2, 0, 1, 2]),
        ([3, 0, 4, 1, 5, 2], [0, 0, 0, 0, 0, 0]),  # sweeps of two slices: no packages
    ],
)
def test_packages_of_slice_times_by_hand(order, expected):
    times = np.empty(len(order))
    times[order] = 2.0 * np.arange(len(order))
    assert sweeps(times, len(order)).tolist() == expected


def test_slices_excited_together_are_of_one_package():
    half = np.array([0.0, 3.0, 1.0, 4.0, 2.0, 5.0])  # twelve slices, two at a time
    assert sweeps(np.tile(half, 2), 12).tolist() == [0, 1, 0, 1, 0, 1] * 2
    assert sweeps(np.zeros(4), 4).tolist() == [0, 0, 0, 0]
    assert sweeps(None, 4).tolist() == [0, 0, 0, 0]


def test_packages_are_numbered_over_all_stacks(phantom):
    times = np.array([0.0, 5, 1, 6, 2, 7, 3, 8, 4])
    stacks = phantom.session((0.08,))
    slices = flatten([replace(stacks[0], slice_times_s=times), stacks[1], replace(stacks[2], slice_times_s=times)])
    comb = torch.arange(9) % 2
    assert torch.equal(slices.package_of, torch.cat((comb, torch.full((9,), 2), 3 + comb)))


def slice_errors_mm(phantom, recon, stacks, moved) -> np.ndarray:
    """Distance of found from true slices, whatever the frame, where a slice has 40 pixels, (slice,)."""
    slices = flatten(stacks)
    matrix = torch.tensor(
        np.stack([recon.slices[f"m{row}{column}"] for row in range(3) for column in range(4)], -1)
    ).reshape(-1, 3, 4)[slices.slice_idx]
    found = (matrix[:, :, :3] @ slices.points_mm[..., None])[..., 0] + matrix[..., 3]
    turn, shift = (torch.tensor(np.array(part)) for part in zip(*phantom.motions(6, 0.3), strict=True))
    turn, shift = turn[slices.stack_of], shift[slices.stack_of]
    late = torch.isin(slices.stack_of, torch.tensor(MOVED_STACKS)) & torch.as_tensor(moved)[slices.index_in_stack]
    turn[late], shift[late] = torch.tensor(TURN_RAD).double(), torch.tensor(SHIFT_MM).double()
    centre = torch.as_tensor(phantom.centre_mm)
    arm = slices.points_mm.double() - centre
    true = (rotation_matrix(turn)[slices.slice_idx] @ arm[..., None])[..., 0] + centre + shift[slices.slice_idx]
    rotation, offset = best_rigid(found.double(), true)
    error = slices.mean_per_slice((found.double() @ rotation.T + offset - true).norm(dim=-1).float())
    return error[torch.as_tensor(recon.slices["n_pixels"]) > 40].numpy()


def found(phantom, stacks) -> tuple[Slices, str | None]:
    """Packages that the pictures show beside the true head, every stack where the scanner put it."""
    slices = flatten(stacks)
    grid = Grid(tuple((phantom.centre_mm - 26).tolist()), 2.0, (27, 27, 27))
    volume = phantom.volume(grid.points_mm(), TE_S) / slices.scale
    volume = blur(volume, lattice_blur_voxels(slices.blur_sigma_mm, 2.0))
    poses = Rigid.identity(slices.centres_mm)
    operator = slices.operator(grid, poses)
    residual = operator.forward(volume) - slices.values
    weights = torch.full_like(residual, 1 / 0.02**2)
    return with_found_packages(
        PosePull(
            slices=slices, poses=poses, jacobian=operator.pose_jacobian(volume), residual=residual, weights=weights
        )
    )


def test_pictures_show_what_missing_slice_times_do_not(phantom):
    moved = np.arange(9) % 2 == 1
    slices, told = found(phantom, combed(phantom, moved))
    assert told is not None
    assert "every second slice moved together" in told
    assert torch.equal(slices.package_of, 2 * slices.stack_of + slices.index_in_stack % 2)
    assert slices.order[:9].argsort().tolist() == [0, 2, 4, 6, 8, 1, 3, 5, 7]


def test_every_third_slice(phantom):
    slices, told = found(phantom, combed(phantom, np.arange(9) % 3 == 1, size=2.0))
    assert "every third slice" in str(told)
    assert torch.equal(slices.package_of, 3 * slices.stack_of + slices.index_in_stack % 3)


@pytest.mark.parametrize("moved", [np.arange(9) > 4, np.arange(9) < 0, np.arange(9) == 3])
def test_halves_stillness_and_one_slice_are_no_interleave(phantom, moved):
    stacks = combed(phantom, moved)
    slices, told = found(phantom, stacks)
    assert told is None
    assert torch.equal(slices.package_of, slices.stack_of)


def test_known_slice_times_are_believed(phantom):
    times = 2.0 * np.arange(9)
    slices, told = found(phantom, combed(phantom, np.arange(9) % 2 == 1, times))
    assert told is None
    assert torch.equal(slices.package_of, slices.stack_of)


def test_packages_are_registered_between_stacks_and_slices(phantom, options):
    moved = np.arange(9) % 2 == 1
    stacks = combed(phantom, moved, np.array([0.0, 5, 1, 6, 2, 7, 3, 8, 4]))
    recon = reconstruct(stacks, options())
    stages = list(recon.info["seconds"])
    assert stages == ["search stacks", "align stacks", "align packages", "align slices", "refine"]
    assert slice_errors_mm(phantom, recon, stacks, moved).mean() < 0.8
