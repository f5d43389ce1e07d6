"""Slices that lie elsewhere than what they show."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from fetalt2prep.core.geometry import Rigid, best_rigid, rotation_matrix
from fetalt2prep.core.recon.company import company, prices
from fetalt2prep.core.recon.joint import reconstruct
from fetalt2prep.core.recon.lost_slices import FAR, judge, search_lost
from fetalt2prep.core.recon.one_side import seen_from_one_side
from fetalt2prep.core.recon.schedule import levels
from fetalt2prep.core.recon.slices import Slices, flatten
from fetalt2prep.core.stack import Stack

TE_S = (0.08, 0.2)
TURN_RAD, SHIFT_MM = (0.35, -0.3, 0.2), (7.0, -5.0, 4.0)  # 29 degrees, 9.5 mm
TIMES_S = np.array([0.0, 5.0, 1.0, 6.0, 2.0, 7.0, 3.0, 8.0, 4.0])  # even slices first
MOVED_STACK, SECOND_SWEEP = 4, [1, 3, 5, 7]


def in_sweeps(stack: Stack) -> Stack:
    return replace(stack, slice_times_s=TIMES_S)


@pytest.fixture(scope="module")
def stacks(phantom) -> list[Stack]:
    """Six stacks; the head turned between the sweeps of the fifth, and stayed there."""
    stacks = [in_sweeps(stack) for stack in phantom.session(TE_S, motion=0.0, noise=2.0)]
    turned = phantom.stack(TE_S[1], "coronal", rotvec_rad=TURN_RAD, shift_mm=SHIFT_MM, noise=2.0)
    pixels, mask = stacks[MOVED_STACK].pixels.copy(), stacks[MOVED_STACK].mask.copy()
    pixels[:, :, SECOND_SWEEP], mask[:, :, SECOND_SWEEP] = (
        turned.pixels[:, :, SECOND_SWEEP],
        turned.mask[:, :, SECOND_SWEEP],
    )
    stacks[MOVED_STACK] = replace(stacks[MOVED_STACK], pixels=pixels, mask=mask)
    return stacks


@pytest.fixture(scope="module")
def slices(stacks) -> Slices:
    return flatten(stacks)


def moved(slices: Slices) -> torch.Tensor:
    """The slices of the second sweep of the fifth stack, (slice,) bool."""
    return (slices.stack_of == MOVED_STACK) & (slices.index_in_stack % 2 == 1)


def errors_mm(phantom, slices: Slices, poses: Rigid) -> torch.Tensor:
    """Mean distance of every slice's points from where they are in the head, one motion of all left free, (slice,)."""
    centre = torch.as_tensor(phantom.centre_mm, dtype=torch.float32)
    turned = (slices.points_mm - centre) @ rotation_matrix(torch.tensor(TURN_RAD)).T + centre + torch.tensor(SHIFT_MM)
    true = torch.where(moved(slices)[slices.slice_idx][:, None], turned, slices.points_mm)
    found = poses.move(slices.points_mm, slices.slice_idx)
    others = ~moved(slices)[slices.slice_idx]
    rotation, shift = best_rigid(found[others], true[others])
    return slices.mean_per_slice((found @ rotation.T + shift - true).norm(dim=1))


def test_a_sweep_that_turned_is_brought_back(phantom, slices):
    still = Rigid.identity(slices.centres_mm)
    before, placed = errors_mm(phantom, slices, still), search_lost(slices, still)
    after, lay_off = errors_mm(phantom, slices, placed.poses), moved(slices) & placed.large
    assert float(before[lay_off].min()) > 6.0
    assert bool(placed.found[lay_off].all())
    assert bool((after < 0.6 * before)[lay_off].all()), (
        "within reach of the registration: the head is blurred and small"
    )
    assert not bool(placed.lost.any())
    others = placed.large & ~moved(slices)
    assert float(after[others].max()) < 2.5, "what was in place stays near it"


def test_where_all_are_in_place_none_is_lost(phantom):
    slices = flatten([in_sweeps(stack) for stack in phantom.session(TE_S, motion=0.0, noise=2.0)])
    assert not bool(judge(slices, Rigid.identity(slices.centres_mm)).lost.any())


def test_a_slice_that_agrees_far_from_those_acquired_next_to_it_is_brought_back(phantom):
    """The head is symmetric enough that a slice agrees on its other side; no head is there and back in a second."""
    slices = flatten([in_sweeps(stack) for stack in phantom.session(TE_S, motion=0.0, noise=2.0)])
    still, shift_mm = Rigid.identity(slices.centres_mm), torch.zeros(slices.n_slices, 3)
    shift_mm[4] = 15.0 * slices.normals[4]
    off = still.nudged(torch.zeros_like(shift_mm), shift_mm)
    judged = judge(slices, off)
    assert not bool(judged.lost[4]), "it agrees well there"
    assert (judged.price > FAR).nonzero().tolist() == [[4]], "not slice 2, which has only the moved one next to it"
    placed = search_lost(slices, off)
    found_mm = placed.poses.move(slices.points_mm, slices.slice_idx)
    assert float(slices.mean_per_slice((found_mm - slices.points_mm).norm(dim=1))[4]) < 4.0
    assert placed.found.nonzero().tolist() == [[4]]


def test_one_stack_in_one_sweep_has_nothing_to_be_compared_with(phantom):
    slices = flatten([phantom.stack(0.1, "axial")])
    placed = search_lost(slices, Rigid.identity(slices.centres_mm))
    assert not bool(placed.lost.any() | placed.found.any())


def test_parallel_slices_do_not_judge_each_other(stacks):
    """One stack in one orientation per echo time: what lies between thick slices looks like none of them."""
    coronal = [stack for n, stack in enumerate(stacks) if n % 3 == MOVED_STACK % 3]
    slices = flatten(coronal)
    poses = Rigid.identity(slices.centres_mm)
    assert seen_from_one_side(slices, poses)
    placed = search_lost(slices, poses)
    assert not bool(placed.lost.any() | placed.found.any())
    assert torch.equal(placed.poses.shift_mm, poses.shift_mm)


def test_two_orientations_judge_each_other(stacks):
    slices = flatten([stack for n, stack in enumerate(stacks) if n % 3 != (MOVED_STACK + 1) % 3])
    assert not seen_from_one_side(slices, Rigid.identity(slices.centres_mm))


def test_what_agrees_with_nothing_is_left_out_and_told(stacks, options):
    noise = np.random.default_rng(0).uniform(100, 900, stacks[0].pixels.shape[:2]).astype(np.float32)
    pixels = stacks[0].pixels.copy()
    pixels[:, :, 4] = noise
    spoiled = [replace(stacks[0], pixels=pixels), *stacks[1:]]
    recon = reconstruct(spoiled, options(seed=0))
    table = {name: np.asarray(column) for name, column in recon.slices.items()}
    mine = (table["stack"] == spoiled[0].name) & (table["slice"] == 4)
    assert table["weight"][mine] == 0.0
    assert str(table["reason"][mine][0]).startswith("agrees with no other slices; ")
    told = " ".join(recon.info["notes"])
    assert f"left out: 1 of {spoiled[0].name}" in told
    assert re.search(f"were found: .*[34] of {spoiled[MOVED_STACK].name}", told)


def test_company_is_the_nearest_in_time_before_and_after(slices):
    good = torch.ones_like(slices.stack_of, dtype=torch.bool)
    mine = (slices.stack_of == 2).nonzero()[:, 0]
    near = company(slices, good, mine[slices.index_in_stack[mine] == 1])  # sixth in time
    assert sorted(slices.index_in_stack[near.slices].tolist()) == [3, 8]
    good[near.slices] = False
    assert company(slices, good, mine[slices.index_in_stack[mine] == 1]).least_gap == 2.0
    assert company(slices, torch.zeros_like(good), mine[:1]).least_gap == float("inf")


def test_a_place_far_from_the_company_has_a_price(slices):
    near = company(slices, torch.ones_like(slices.stack_of, dtype=torch.bool), torch.tensor([4]))
    price = near.price(Rigid.identity(slices.centres_mm), slices.centres_mm[4])
    turns = rotation_matrix(torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 0.3], [0.0, 0.0, 0.0]]))
    costs = price(turns, torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [20.0, 0.0, 0.0]]))
    assert float(costs[0]) == pytest.approx(0.0, abs=1e-4)
    assert bool((costs[1:] > 0.05).all()), "jumps are rare"
    assert bool((costs < 0.3).all()), "but they do happen"


def test_all_slices_are_priced_as_each_by_itself(slices):
    rotvec_rad = torch.linspace(-0.4, 0.4, 3 * slices.n_slices).reshape(-1, 3)
    poses = Rigid.identity(slices.centres_mm).nudged(rotvec_rad, 20 * rotvec_rad.flip(0))
    good = torch.arange(slices.n_slices) % 3 > 0
    good[slices.stack_of == 1] = False  # nothing to be held against
    found = prices(slices, poses, good)
    for one in range(slices.n_slices):
        near = company(slices, good, torch.tensor([one])).price(poses, poses.centre_mm[one])
        assert float(found[one]) == pytest.approx(float(near(poses.rotation[one][None], poses.shift_mm[one][None])[0]))
    assert bool((found[slices.stack_of == 1] == 0).all() & (found[slices.stack_of == 0] > 0).all())


def test_a_head_without_contrast_loses_no_slice(phantom):
    """Slices of one even tissue agree with nothing but noise, and are where they should be."""
    rng = np.random.default_rng(1)
    stacks = [
        replace(s, pixels=(400.0 + rng.normal(0, 4.0, s.pixels.shape)).astype(np.float32), noise_sigma=4.0)
        for s in map(in_sweeps, phantom.session(TE_S, motion=0.0))
    ]
    slices = flatten(stacks)
    placed = search_lost(slices, Rigid.identity(slices.centres_mm))
    assert not bool(placed.lost.any() | placed.found.any())


def test_when_most_disagree_none_is_called_lost(phantom):
    """A comparison that most slices fail says nothing of any of them."""
    rng = np.random.default_rng(2)
    stacks = [
        replace(s, pixels=rng.uniform(100, 900, s.pixels.shape).astype(np.float32), noise_sigma=4.0)
        for s in map(in_sweeps, phantom.session(TE_S, motion=0.0))
    ]
    slices = flatten(stacks)
    assert not bool(judge(slices, Rigid.identity(slices.centres_mm)).lost.any())


def test_parallel_slices_are_registered_half_as_often():
    rounds = [[level.rounds for level in levels(0.8, one_side=alone)] for alone in (True, False)]
    assert [one <= other for one, other in zip(*rounds, strict=True)] == [True] * 4
    assert sum(rounds[0]) < sum(rounds[1])
