"""The factor of the receive coils, which stays in the scanner while the head moves."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fetalt2prep.core.geometry import Rigid
from fetalt2prep.core.recon.coil import coil_factor, echo_trends, unfollowed
from fetalt2prep.core.recon.slices import Slices, flatten
from fetalt2prep.core.recon.smooth_field import SmoothField

TE_S = (0.08, 0.2)


@pytest.fixture(scope="module")
def slices(phantom) -> Slices:
    return flatten(phantom.session(TE_S, motion=0.0))


@pytest.fixture(scope="module")
def moving(slices) -> Rigid:
    """Every stack elsewhere, by up to 34 degrees about each axis and some millimetres."""
    generator = torch.Generator().manual_seed(3)
    n_stacks = len(slices.names)
    turn = 0.6 * (2 * torch.rand(n_stacks, 3, generator=generator) - 1)
    shift = 6.0 * (2 * torch.rand(n_stacks, 3, generator=generator) - 1)
    return Rigid.identity(slices.centres_mm).nudged(turn[slices.stack_of], shift[slices.stack_of])


def true_factor(phantom, slices: Slices) -> torch.Tensor:
    arm = slices.points_mm - torch.as_tensor(phantom.centre_mm, dtype=torch.float32)
    factor = torch.exp(0.012 * arm[:, 0] - 0.0008 * arm[:, 1] ** 2)
    return factor / factor.log().mean().exp()


def fitted(slices: Slices, poses: Rigid, factor: torch.Tensor, weight: torch.Tensor, updates: int = 3) -> torch.Tensor:
    """The factor found where the volumes took up all that they could of it."""
    trends = echo_trends(slices.te_s, decay=True)
    head_mm = poses.move(slices.points_mm, slices.slice_idx)
    log_factor = factor.log()[:, None]
    trust = weight * slices.values.square()
    left = unfollowed(log_factor, head_mm, trust.clamp(min=1e-9), trends[slices.echo_idx])[:, 0].float()
    taken = log_factor[:, 0] - left
    found = torch.ones_like(factor)
    for _ in range(updates):  # the volumes give way as the factor takes its part
        predicted = slices.values / factor * torch.exp(taken)
        found = coil_factor(slices, poses, found, predicted, weight, trends)
        rest = log_factor - found.log()[:, None]
        left = unfollowed(rest, head_mm, trust.clamp(min=1e-9), trends[slices.echo_idx])[:, 0].float()
        taken = rest[:, 0] - left
    return found


def test_the_factor_is_found_though_the_volumes_follow_it(phantom, slices, moving):
    """Worth: in turns with volumes that take up what they can, nothing but the elimination gets there at once."""
    true = true_factor(phantom, slices)
    found = fitted(slices, moving, true, torch.ones_like(true))
    error = (found / true).log()
    assert float(true.log().std()) > 0.05
    # six small stacks: the ridge keeps a part of it
    assert float(error.std()) < 0.6 * float(true.log().std())
    assert float(torch.corrcoef(torch.stack((found.log(), true.log())))[0, 1]) > 0.9
    assert abs(float(found.log().mean())) < 1e-5


def test_without_motion_there_is_no_factor(phantom, slices):
    """Volumes that do not move can follow any factor: it is theirs, T2 does not notice."""
    true = true_factor(phantom, slices)
    found = fitted(slices, Rigid.identity(slices.centres_mm), true, torch.ones_like(true))
    assert float(found.log().abs().max()) < 0.1 * float(true.log().abs().max())


def test_volumes_follow_what_moves_with_the_head(slices, moving):
    """Identity: a slope in the head, at any echo time by itself, leaves nothing."""
    head_mm = moving.move(slices.points_mm, slices.slice_idx)
    trends = echo_trends(slices.te_s, decay=True)[slices.echo_idx]
    slope = (0.01 * head_mm[:, 0] - 0.02 * head_mm[:, 2]) * (1.0 + slices.te_s[slices.echo_idx])
    left = unfollowed(slope[:, None], head_mm, torch.ones_like(slope), trends)
    assert float(left.abs().max()) < 1e-3 * float(slope.std())


def test_a_level_of_an_echo_is_not_the_coils(slices, moving):
    """Worth: echoes that are wrong by a factor each leave the coils alone, or T2 would go into them."""
    level = torch.tensor([1.2, 0.8])[slices.echo_idx]
    trends = echo_trends(slices.te_s, decay=True)
    factor = coil_factor(slices, moving, torch.ones_like(level), slices.values / level, torch.ones_like(level), trends)
    assert float(factor.log().abs().max()) < 0.03


def test_pixels_without_weight_do_not_count(phantom, slices, moving):
    true = true_factor(phantom, slices)
    weight = torch.ones_like(slices.values)
    weight[slices.slice_idx == 4] = 0.0
    trends = echo_trends(slices.te_s, decay=True)
    predicted = torch.where(slices.slice_idx == 4, 3.0, 1.0) * slices.values / true
    ones = torch.ones_like(true)
    spoiled = coil_factor(slices, moving, ones, predicted, weight, trends)
    clean = coil_factor(slices, moving, ones, slices.values / true, weight, trends)
    assert np.ptp((spoiled / clean).log().numpy()) < 1e-4


def test_free_echoes_are_followed_one_by_one():
    torch.testing.assert_close(echo_trends(torch.tensor([0.1, 0.2, 0.4]), decay=False), torch.eye(3))
    decay = echo_trends(torch.tensor([0.1, 0.2, 0.6]), decay=True)
    assert decay.shape == (3, 2)
    assert math.isclose(float(decay[:, 1].sum()), 0.0, abs_tol=1e-6)


def test_a_field_around_points_is_zero_everywhere():
    points = torch.rand(50, 3, generator=torch.Generator().manual_seed(0))
    field = SmoothField.around(points, torch.ones(50))
    assert float(field.at(points).abs().max()) == 0.0
    torch.testing.assert_close(field.centre_mm, points.mean(0))


def test_one_slice_alone_has_no_factor(phantom):
    """A plane tells no slope along its normal, and nothing moved: no failure, and a factor of 1."""
    stack = phantom.stack(0.1, "axial", noise=2.0)
    stack.mask[:, :, np.arange(stack.n_slices) != 4] = False
    slices = flatten([stack])
    ones, trends = torch.ones_like(slices.values), echo_trends(slices.te_s, decay=False)
    factor = coil_factor(slices, Rigid.identity(slices.centres_mm), ones, 0.9 * slices.values, ones, trends)
    torch.testing.assert_close(factor, ones, atol=0.02, rtol=0)
