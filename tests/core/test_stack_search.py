"""Stacks that lie far from the others, before anything is fitted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fetalt2prep.core.geometry import best_rigid, rotation_matrix
from fetalt2prep.core.recon.joint import reconstruct
from fetalt2prep.core.recon.many_starts import angle
from fetalt2prep.core.recon.slices import flatten
from fetalt2prep.core.recon.stack_search import search_stacks

TE_S = (0.08, 0.2)
TURN_RAD, SHIFT_MM = (0.35, -0.3, 0.2), (7.0, -5.0, 4.0)  # 29 degrees, 9.5 mm


@pytest.fixture(scope="module")
def session(phantom):
    """Six stacks, the fourth of them turned and shifted."""
    stacks = phantom.session(TE_S, motion=0.0)
    stacks[3] = phantom.stack(TE_S[1], "axial", rotvec_rad=TURN_RAD, shift_mm=SHIFT_MM, noise=6.0, name="turned")
    return stacks


def errors_mm(phantom, slices, poses) -> np.ndarray:
    """Mean distance of every stack's points from where they are in the head, one rigid motion of all left free."""
    stack = slices.stack_of[slices.slice_idx]
    true = slices.points_mm.double()
    centre = torch.as_tensor(phantom.centre_mm)
    rotation = rotation_matrix(torch.tensor(TURN_RAD, dtype=torch.float64))
    turned = (true - centre) @ rotation.T + centre + torch.tensor(SHIFT_MM, dtype=torch.float64)
    true = torch.where((stack == 3)[:, None], turned, true).float()
    found = poses.move(slices.points_mm, slices.slice_idx)
    others = stack != 3
    frame, offset = best_rigid(found[others], true[others])
    distance = (found @ frame.T + offset - true).norm(dim=1)
    return np.array([float(distance[stack == number].mean()) for number in range(len(slices.names))])


def test_a_turned_stack_is_brought_back_and_named(phantom, session):
    slices = flatten(session)
    poses, turned_deg = search_stacks(slices)
    assert turned_deg["turned"] == pytest.approx(28.7, abs=6.0)
    error = errors_mm(phantom, slices, poses)
    assert error[3] < 2.0
    assert error[[0, 1, 2, 4, 5]].max() < 1.5


def test_stacks_in_place_stay_in_place(phantom):
    _, turned_deg = search_stacks(flatten(phantom.session(TE_S, motion=0.0)))
    assert all(angle < 6.0 for angle in turned_deg.values())


def test_a_single_stack_stays(phantom):
    slices = flatten([phantom.stack(0.1, "axial")])
    poses, turned_deg = search_stacks(slices)
    assert turned_deg == {}
    torch.testing.assert_close(poses.move(slices.points_mm, slices.slice_idx), slices.points_mm)


def test_the_scale_of_an_echo_changes_nothing(phantom, session):
    """Contrast between echoes is what T2 is made of; it must not move a stack."""
    slices = flatten(session)
    brighter = slices.values * torch.where(slices.echo_idx == 1, 3.0, 1.0)
    poses, _ = search_stacks(slices)
    other, _ = search_stacks(type(slices)(**{**vars(slices), "values": brighter}))
    torch.testing.assert_close(other.matrix(), poses.matrix(), atol=1e-3, rtol=0)


def test_the_reconstruction_keeps_the_turned_stack_and_says_so(session, options):
    recon = reconstruct(session, options(seed=0))
    assert any("turned by" in note and "turned" in note for note in recon.info["notes"])
    table = {name: np.asarray(column) for name, column in recon.slices.items()}
    mine = (table["stack"] == "turned") & (table["n_pixels"] > 30)
    assert (table["weight"][mine] > 0.5).mean() > 0.8


def test_a_half_turn_costs_a_half_turn():
    """At 180 degrees a rotation's vector cannot be read from its matrix; its angle can."""
    half = rotation_matrix(torch.tensor([[torch.pi, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.0]]))
    torch.testing.assert_close(angle(half), torch.tensor([torch.pi, 0.5, 0.0]), atol=2e-3, rtol=0)
