"""Poses from a network of the slice's number: what it follows, and that a reconstruction runs with it."""

from __future__ import annotations

import numpy as np
import torch

from fetalt2prep.core.geometry import Rigid
from fetalt2prep.core.recon.joint import reconstruct
from fetalt2prep.core.recon.motion_siren import MotionSiren

N = 40


def away_from(one: Rigid, other: Rigid) -> float:
    """RMS distance of a point 40 mm from each slice's centre, mm."""
    arm = torch.tensor([23.0, -23.0, 23.0])
    ends = [(pose.rotation @ arm) + pose.shift_mm for pose in (one, other)]
    return float((ends[0] - ends[1]).square().sum(-1).mean().sqrt())


def test_it_starts_where_the_slices_are_and_follows_a_smooth_motion(draw_poses):
    centres = torch.randn(N, 3)
    base = draw_poses(centres)
    motion = MotionSiren(base, seed=1)
    start = motion.poses()
    torch.testing.assert_close(start.rotation, base.rotation)
    torch.testing.assert_close(start.shift_mm, base.shift_mm)
    phase = torch.linspace(0, 3, N)
    wanted = base.nudged(
        0.1 * torch.stack((phase.sin(), phase.cos(), -phase.sin()), 1), 2.0 * torch.stack((phase.cos(),) * 3, 1)
    )
    before, last = away_from(base, wanted), None
    for _ in range(8):
        last = motion.follow(wanted, torch.ones(N))
    assert last is not None
    assert away_from(last, wanted) < 0.25 * before


def test_slices_without_weight_are_not_followed(draw_poses):
    base = draw_poses(torch.zeros(N, 3))
    wild = base.nudged(torch.zeros(N, 3), torch.zeros(N, 3).index_fill_(0, torch.arange(0, N, 2), 30.0))
    weight = torch.ones(N)
    weight[::2] = 0.0
    motion = MotionSiren(base, seed=1)
    for _ in range(3):
        found = motion.follow(wild, weight)
    assert float((found.shift_mm - base.shift_mm).norm(dim=1).max()) < 0.5


def test_a_seed_decides_and_the_global_state_is_left_alone(draw_poses):
    base = draw_poses(torch.zeros(N, 3))
    wanted = base.nudged(torch.zeros(N, 3), torch.ones(N, 3))
    before = torch.random.get_rng_state()
    one, same, other = (MotionSiren(base, seed=seed).follow(wanted, torch.ones(N)) for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(one.shift_mm, same.shift_mm)
    assert not torch.equal(one.shift_mm, other.shift_mm)


def test_a_reconstruction_runs_with_it(phantom, options):
    stacks = phantom.session((0.08, 0.2))
    recon = reconstruct(stacks, options(motion="siren"))
    assert recon.info["motion"] == "siren"
    points = np.argwhere(recon.mask) @ recon.affine[:3, :3].T + recon.affine[:3, 3]
    core = (((points - phantom.centre_mm) / (0.8 * phantom.semi_axes_mm)) ** 2).sum(-1) < 1
    for te_s, echo in zip(recon.te_s, recon.echoes, strict=True):
        true, found = phantom.signal(points[core], te_s), echo[recon.mask][core]
        assert np.sqrt(((found - true) ** 2).mean() / (true**2).mean()) < 0.07
