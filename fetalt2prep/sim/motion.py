"""Rigid head motion in acquisition order: a random walk, FaBiAN's levels, or a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from fetalt2prep.sim.trajectory import Trajectory, choose_trajectory

Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]
RETURN_PER_SLICE = 0.03  # share of the displacement that is undone at every slice: the fetus stays in its place


@dataclass(frozen=True, kw_only=True)
class MotionLevel:
    """Per-axis sizes of the three kinds of motion."""

    walk_mm: float  # standard deviation of one slice-to-slice step
    walk_deg: float
    jump_probability: float  # per slice; the new pose persists
    jump_mm: float  # half width of a uniform draw
    jump_deg: float
    between_mm: float  # standard deviation of the change from one stack to the next
    between_deg: float

    def draw_states(self, rng: np.random.Generator, orders: Sequence[Indices], scale: float) -> Doubles:
        """Rotation vector (deg) and shift (mm) of every slice, (slice, 6); ``orders``: slices as acquired, by stack."""
        walk = scale * np.repeat((self.walk_deg, self.walk_mm), 3)
        jump = scale * np.repeat((self.jump_deg, self.jump_mm), 3)
        between = scale * np.repeat((self.between_deg, self.between_mm), 3)
        state = np.zeros(6)
        states = []
        for order in orders:  # in time: each pose follows from the one before
            in_stack = np.empty((len(order), 6))
            for slice_idx in order:
                state = (1.0 - RETURN_PER_SLICE) * state + walk * rng.standard_normal(6)
                moved = rng.random() < self.jump_probability
                state = state + moved * jump * rng.uniform(-1.0, 1.0, 6)
                in_stack[slice_idx] = state
            state = state + between * rng.standard_normal(6)
            states.append(in_stack)
        return np.concatenate(states)


@dataclass(frozen=True, kw_only=True)
class FabianLevel:
    """Motion of the simulator FaBiAN: 5 % of a stack's slices, rounded up, each take a new pose, which then stays.

    Shifts are uniform per axis; the turn is uniform about an axis whose three components are uniform in 0 .. 1. A new
    pose replaces the one before, and every stack starts at rest (``motion_transform.m``, ``Kspace_sampling.m``).
    """

    shift_mm: float  # half width
    turn_deg: float  # half width
    share: float = 0.05

    def draw_states(self, rng: np.random.Generator, orders: Sequence[Indices], scale: float) -> Doubles:
        """As :meth:`MotionLevel.draw_states`."""
        states = []
        for order in orders:
            in_stack, n_slices = np.zeros((len(order), 6)), len(order)
            for first in np.sort(rng.permutation(n_slices)[: int(np.ceil(self.share * n_slices))]):
                axis = rng.uniform(0.0, 1.0, 3)
                turn = rng.uniform(-self.turn_deg, self.turn_deg) * axis / np.linalg.norm(axis)
                pose = np.concatenate((turn, rng.uniform(-self.shift_mm, self.shift_mm, 3)))
                in_stack[order[first:]] = scale * pose
            states.append(in_stack)
        return np.concatenate(states)


LEVELS: dict[str, MotionLevel | FabianLevel] = {
    "none": MotionLevel(walk_mm=0, walk_deg=0, jump_probability=0, jump_mm=0, jump_deg=0, between_mm=0, between_deg=0),
    "mild": MotionLevel(
        walk_mm=0.20, walk_deg=0.35, jump_probability=0.03, jump_mm=1, jump_deg=2, between_mm=1.0, between_deg=2
    ),
    "moderate": MotionLevel(
        walk_mm=0.40, walk_deg=0.70, jump_probability=0.05, jump_mm=3, jump_deg=5, between_mm=2.0, between_deg=4
    ),
    "severe": MotionLevel(
        walk_mm=0.70, walk_deg=1.20, jump_probability=0.05, jump_mm=4, jump_deg=8, between_mm=3.0, between_deg=7
    ),
    "fabian-slight": FabianLevel(shift_mm=1, turn_deg=2),
    "fabian-moderate": FabianLevel(shift_mm=3, turn_deg=5),
    "fabian-strong": FabianLevel(shift_mm=4, turn_deg=8),
}


@dataclass(frozen=True)
class PoseTable:
    """Pose of the head at every slice, scanner axes: ``x -> R (x - centre) + centre + shift``.

    rotation_deg: (slice, 3) rotation vectors; shift_mm: (slice, 3); centre_mm: (3,) the head's middle at
    rest.
    """

    rotation_deg: Doubles
    shift_mm: Doubles
    centre_mm: Doubles

    def rest_to_moved(self) -> Doubles:
        """World point of the tissue at rest -> where it is during the slice, (slice, 4, 4)."""
        matrices = np.tile(np.eye(4), (len(self.shift_mm), 1, 1))
        matrices[:, :3, :3] = Rotation.from_rotvec(self.rotation_deg, degrees=True).as_matrix()
        matrices[:, :3, 3] = self.centre_mm + self.shift_mm - matrices[:, :3, :3] @ self.centre_mm
        return matrices

    def slice_transforms(self) -> Doubles:
        """World point that the stack's affine gives -> where that tissue lies at rest, (slice, 4, 4)."""
        return np.asarray(np.linalg.inv(self.rest_to_moved()), np.float64)


def interleaved(n_slices: int, step: int = 2) -> Indices:
    """Slice indices in the order of acquisition: 0, step, 2 step, ... then 1, 1 + step, ...; 1 is sequential."""
    if step < 1:
        raise ValueError(f"interleave is {step}; it must be 1 (sequential) or more.")
    return np.concatenate([np.arange(first, n_slices, step) for first in range(min(step, n_slices))])


def slice_times_s(n_slices: int, repetition_time_s: float, interleave: int = 2) -> Doubles:
    """Acquisition time of every slice from the start of its stack, (slice,)."""
    times = np.empty(n_slices)
    times[interleaved(n_slices, interleave)] = repetition_time_s * np.arange(n_slices)
    return times


def draw_motion(
    rng: np.random.Generator,
    slice_counts: Sequence[int],
    level: MotionLevel | FabianLevel,
    *,
    scale: float = 1.0,
    centre_mm: Doubles | None = None,
    interleave: int = 2,
) -> PoseTable:
    """Draw the pose of every slice of a session: stacks in acquisition order, in each the slices in order.

    A :class:`MotionLevel`: every slice adds a normal step to six numbers (rotation vector and shift), undoes 3 % of
    the displacement, and now and then jumps by U[-jump, jump] per axis. Median excursion (largest minus smallest, on
    the worst axis) in a stack of 20 slices: mild 1.6 mm and 2.9 deg, moderate 3.8 mm and 6.6 deg, severe 6.0 mm and 11
    deg; recorded fetal trajectories (SVoRT) have 5.9 mm and 10.6 deg in 45 s, so ``severe`` is an ordinary
    examination. FaBiAN's strongest level stays below that. ``scale`` multiplies all sizes.
    """
    if scale < 0:
        raise ValueError(f"motion scale is {scale}; it must be 0 or more.")
    table = level.draw_states(rng, [interleaved(n_slices, interleave) for n_slices in slice_counts], scale)
    return PoseTable(table[:, :3], table[:, 3:], np.zeros(3) if centre_mm is None else np.asarray(centre_mm))


def draw_recorded_motion(
    rng: np.random.Generator,
    trajectories: list[Trajectory],
    times_s: Doubles,
    *,
    name: str | None = None,
    scale: float = 1.0,
    centre_mm: Doubles | None = None,
) -> tuple[PoseTable, dict[str, object]]:
    """Poses of a recording at the session's slice times (slice,), and which part of which recording it was."""
    if scale < 0:
        raise ValueError(f"motion scale is {scale}; it must be 0 or more.")
    since_first = times_s - times_s.min()
    chosen, start_s = choose_trajectory(rng, trajectories, float(since_first.max()), name)
    rotation_deg, shift_mm = chosen.poses(start_s + since_first, scale=scale)
    record: dict[str, object] = {"trajectory": chosen.name, "start_s": start_s, "step_s": chosen.step_s}
    return PoseTable(rotation_deg, shift_mm, np.zeros(3) if centre_mm is None else np.asarray(centre_mm)), record
