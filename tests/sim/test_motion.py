"""Motion: levels as documented, interleaving, poses that invert, scale."""

from __future__ import annotations

import numpy as np
import pytest

from fetalt2prep.sim.motion import LEVELS, FabianLevel, draw_motion, interleaved, slice_times_s


def excursion(level: str) -> np.ndarray:
    """Median over 200 stacks of 20 slices of the largest range on one axis: mm, degrees."""
    ranges = []
    for seed in range(200):
        poses = draw_motion(np.random.default_rng(seed), [20], LEVELS[level])
        ranges.append([np.ptp(poses.shift_mm, axis=0).max(), np.ptp(poses.rotation_deg, axis=0).max()])
    return np.median(ranges, axis=0)


@pytest.mark.parametrize(
    ("level", "shift_mm", "turn_deg"), [("mild", 1.6, 2.9), ("moderate", 3.8, 6.6), ("severe", 6.0, 11.0)]
)
def test_levels_move_as_much_as_their_documentation_says(level: str, shift_mm: float, turn_deg: float) -> None:
    assert excursion(level) == pytest.approx((shift_mm, turn_deg), rel=0.15)
    assert f"{level} {shift_mm} mm" in " ".join((draw_motion.__doc__ or "").split())


def test_none_does_not_move() -> None:
    poses = draw_motion(np.random.default_rng(0), [5, 6], LEVELS["none"], centre_mm=np.array([3.0, 4.0, 5.0]))
    assert np.allclose(poses.slice_transforms(), np.eye(4))


def test_interleaving_takes_even_slices_first() -> None:
    assert interleaved(5).tolist() == [0, 2, 4, 1, 3]
    assert slice_times_s(5, 2.0).tolist() == [0.0, 6.0, 2.0, 8.0, 4.0]
    assert interleaved(7, 3).tolist() == [0, 3, 6, 1, 4, 2, 5]
    assert interleaved(4, 1).tolist() == [0, 1, 2, 3]
    assert interleaved(2, 5).tolist() == [0, 1]
    with pytest.raises(ValueError, match="interleave is 0"):
        interleaved(4, 0)


@pytest.mark.parametrize(
    ("name", "shift_mm", "turn_deg"), [("fabian-slight", 1, 2), ("fabian-moderate", 3, 5), ("fabian-strong", 4, 8)]
)
def test_fabian_moves_five_percent_of_the_slices_and_the_pose_persists(name: str, shift_mm: int, turn_deg: int) -> None:
    """Of 30 slices two take a new pose, and every stack starts at rest."""
    level = LEVELS[name]
    assert isinstance(level, FabianLevel)
    shifts, turns = [], []
    for seed in range(60):
        poses = draw_motion(np.random.default_rng(seed), [30, 30], level)
        for first in (0, 30):
            states = np.c_[poses.rotation_deg, poses.shift_mm][first + interleaved(30)]
            changes = np.flatnonzero(np.abs(np.diff(states, axis=0)).sum(1) > 0)
            assert len(changes) + (states[0] != 0).any() == 2
        shifts.append(np.abs(poses.shift_mm).max())
        turns.append(np.linalg.norm(poses.rotation_deg, axis=1).max())
    assert 0.95 * shift_mm < max(shifts) <= shift_mm
    assert 0.95 * turn_deg < max(turns) <= turn_deg


def test_neighbours_in_time_are_closer_than_neighbours_in_space() -> None:
    poses = draw_motion(np.random.default_rng(4), [40] * 10, LEVELS["moderate"])
    shift = poses.shift_mm.reshape(10, 40, 3)
    in_time = np.diff(shift[:, interleaved(40)], axis=1)
    in_space = np.diff(shift, axis=1)
    assert np.abs(in_time).mean() < 0.5 * np.abs(in_space).mean()


def test_scale_multiplies_every_number_and_nothing_else() -> None:
    once, twice = (draw_motion(np.random.default_rng(5), [8, 9], LEVELS["severe"], scale=s) for s in (1.0, 2.0))
    assert np.allclose(2.0 * once.rotation_deg, twice.rotation_deg)
    assert np.allclose(2.0 * once.shift_mm, twice.shift_mm)


def test_transform_takes_moved_tissue_back_to_rest() -> None:
    centre = np.array([10.0, -5.0, 3.0])
    poses = draw_motion(np.random.default_rng(6), [4], LEVELS["severe"], centre_mm=centre)
    point = np.array([20.0, 1.0, -7.0, 1.0])
    moved = poses.rest_to_moved() @ point
    back = (poses.slice_transforms() @ moved[..., None])[..., 0]
    assert np.allclose(back, point)
    arm = np.linalg.norm(moved[:, :3] - centre - poses.shift_mm, axis=1)
    assert np.allclose(arm, np.linalg.norm(point[:3] - centre))  # rigid: the arm keeps its length
    assert not np.allclose(moved, point)


def test_negative_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="motion scale is -1"):
        draw_motion(np.random.default_rng(0), [3], LEVELS["mild"], scale=-1.0)
