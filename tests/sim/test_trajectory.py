"""Recorded motion: interpolation by hand, relative poses, and files that are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fetalt2prep.sim.motion import draw_recorded_motion
from fetalt2prep.sim.trajectory import Trajectory, choose_trajectory, read_trajectories


@pytest.fixture
def line() -> Trajectory:
    """Turns 0.1 rad about z and moves 2 mm along x in every step of 7 s."""
    steps = np.arange(11.0)[:, None]
    return Trajectory("0", steps * (0.0, 0.0, 0.1), steps * (2.0, 0.0, 0.0), 7.0)


def test_poses_between_steps_by_hand(line: Trajectory) -> None:
    rotation_deg, shift_mm = line.poses(np.array([7.0, 10.5, 21.0]))
    assert np.allclose(np.deg2rad(rotation_deg), [[0, 0, 0], [0, 0, 0.05], [0, 0, 0.2]])
    assert np.allclose(shift_mm, [[0, 0, 0], [1, 0, 0], [4, 0, 0]])


def test_euler_angles_turn_about_fixed_axes() -> None:
    angles = np.array([[0.0, 0, 0], [0.3, -0.4, 0.5]])
    rotation_deg, _ = Trajectory("a", angles, np.zeros((2, 3)), 1.0).poses(np.array([0.0, 1.0]))
    x, y, z = (Rotation.from_rotvec(axis * angle) for axis, angle in zip(np.eye(3), angles[1], strict=True))
    assert np.allclose(Rotation.from_rotvec(rotation_deg[1], degrees=True).as_matrix(), (z * y * x).as_matrix())


def test_scale_multiplies_turn_and_shift(line: Trajectory) -> None:
    times = np.array([0.0, 20.0, 40.0])
    once, half = line.poses(times), line.poses(times, scale=0.5)
    assert np.allclose(half[0], 0.5 * once[0])
    assert np.allclose(half[1], 0.5 * once[1])


def test_a_recording_that_is_too_short_is_refused(line: Trajectory) -> None:
    with pytest.raises(ValueError, match=r"session takes 90 s and the longest trajectory, '0', 70 s"):
        choose_trajectory(np.random.default_rng(0), [line], 90.0)
    with pytest.raises(ValueError, match=r"lasts 70 s; 71 s are needed"):
        line.poses(np.array([0.0, 71.0]))
    with pytest.raises(ValueError, match="no trajectory '5'; known: 0"):
        choose_trajectory(np.random.default_rng(0), [line], 9.0, "5")


def test_slices_follow_the_clock_across_stacks(line: Trajectory) -> None:
    """Slice times of two stacks: later in the session is farther along, whatever the slice's place."""
    times = np.array([0.0, 4.0, 2.0, 14.0, 10.0, 12.0])
    poses, record = draw_recorded_motion(np.random.default_rng(3), [line], times)
    assert np.allclose(poses.shift_mm[:, 0], times * 2 / 7)
    assert record["trajectory"] == "0"
    assert 0.0 <= float(str(record["start_s"])) <= 70.0 - 14.0
    assert np.array_equal(draw_recorded_motion(np.random.default_rng(3), [line], times)[0].shift_mm, poses.shift_mm)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros((4, 3))}, "no array whose name begins with 'rot'; found a"),
        ({"rot0": np.zeros((4, 3))}, "'rot0' and no 'trans0'"),
        ({"rot0": np.zeros((4, 3)), "trans0": np.zeros((5, 3))}, r"'rot0' is \(4, 3\) and 'trans0' \(5, 3\)"),
        ({"rot0": np.zeros((1, 3)), "trans0": np.zeros((1, 3))}, "2 steps or more"),
        ({"rot0": np.full((4, 3), np.nan), "trans0": np.zeros((4, 3))}, "not finite"),
    ],
)
def test_files_without_trajectories_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "motion.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        read_trajectories(tmp_path / "motion.npz", 7.0)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "motion.npz").write_text("rot")
    with pytest.raises(ValueError, match="cannot be read as an npz file"):
        read_trajectories(tmp_path / "motion.npz", 7.0)
    with pytest.raises(ValueError, match="cannot be read as an npz file"):
        read_trajectories(tmp_path / "absent.npz", 7.0)
    with pytest.raises(ValueError, match="step of the recorded motion is 0"):
        read_trajectories(tmp_path / "motion.npz", 0.0)


@pytest.mark.shared
def test_recorded_fetal_trajectories_are_read_and_move_as_much_as_is_known(shared: Path) -> None:
    """Median excursion within 45 s: 5.9 mm and 10.6 deg on the worst axis (facts table 3.3)."""
    tracks = read_trajectories(shared / "data" / "fetal-motion" / "svort_traj.npz", 7.0)
    assert len(tracks) == 104
    assert [track.name for track in tracks[:3]] == ["0", "1", "2"]
    rng, excursions = np.random.default_rng(0), []
    for _ in range(300):
        track, start = choose_trajectory(rng, tracks, 45.0)
        turn, shift = track.poses(start + np.arange(0.0, 45.1, 5.0))
        excursions.append([np.ptp(shift, axis=0).max(), np.ptp(turn, axis=0).max()])
    assert np.median(excursions, axis=0) == pytest.approx((5.9, 10.6), rel=0.35)
