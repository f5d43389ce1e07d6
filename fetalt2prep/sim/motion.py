"""Rigid head motion in acquisition order: a random walk, jumps, and a change of position between stacks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Doubles = NDArray[np.float64]


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


LEVELS = {
    "none": MotionLevel(walk_mm=0, walk_deg=0, jump_probability=0, jump_mm=0, jump_deg=0, between_mm=0, between_deg=0),
    "mild": MotionLevel(
        walk_mm=0.20,
        walk_deg=0.35,
        jump_probability=0.03,
        jump_mm=1,
        jump_deg=2,
        between_mm=1.0,
        between_deg=2,
    ),
    "moderate": MotionLevel(
        walk_mm=0.40,
        walk_deg=0.70,
        jump_probability=0.05,
        jump_mm=3,
        jump_deg=5,
        between_mm=2.0,
        between_deg=4,
    ),
    "severe": MotionLevel(
        walk_mm=0.70,
        walk_deg=1.20,
        jump_probability=0.05,
        jump_mm=4,
        jump_deg=8,
        between_mm=3.0,
        between_deg=7,
    ),
}
RETURN_PER_SLICE = 0.03  # share of the displacement that is undone at every slice: the fetus stays in its place


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


def interleaved(n_slices: int) -> NDArray[np.int64]:
    """Slice indices in the order of acquisition: 0, 2, 4, ... then 1, 3, 5, ..."""
    return np.concatenate((np.arange(0, n_slices, 2), np.arange(1, n_slices, 2)))


def slice_times_s(n_slices: int, repetition_time_s: float) -> Doubles:
    """Acquisition time of every slice from the start of its stack, (slice,)."""
    times = np.empty(n_slices)
    times[interleaved(n_slices)] = repetition_time_s * np.arange(n_slices)
    return times


def draw_motion(
    rng: np.random.Generator,
    slice_counts: list[int],
    level: MotionLevel,
    *,
    scale: float = 1.0,
    centre_mm: Doubles | None = None,
) -> PoseTable:
    """Draw the pose of every slice of a session: stacks in acquisition order, in each the slices in order.

    Every slice adds a normal step to six numbers (rotation vector and shift), undoes 3 % of the displacement,
    and now and then jumps by U[-jump, jump] per axis (FaBiAN's slight, moderate and strong: 1/3/4 mm, 2/5/8
    deg, the pose persists). Median excursion (largest minus smallest, on the worst axis) in a stack of 20
    slices: mild 1.6 mm and 2.9 deg, moderate 3.8 mm and 6.6 deg, severe 6.0 mm and 11 deg; recorded fetal
    trajectories (SVoRT) have 5.9 mm and 10.6 deg in 45 s, so ``severe`` is an ordinary examination. ``scale``
    multiplies all sizes.
    """
    if scale < 0:
        raise ValueError(f"motion scale is {scale}; it must be 0 or more.")
    walk = scale * np.repeat((level.walk_deg, level.walk_mm), 3)
    jump = scale * np.repeat((level.jump_deg, level.jump_mm), 3)
    between = scale * np.repeat((level.between_deg, level.between_mm), 3)
    state = np.zeros(6)
    poses = []
    for n_slices in slice_counts:  # in time: each pose follows from the one before
        in_stack = np.empty((n_slices, 6))
        for slice_idx in interleaved(n_slices):
            state = (1.0 - RETURN_PER_SLICE) * state + walk * rng.standard_normal(6)
            moved = rng.random() < level.jump_probability
            state = state + moved * jump * rng.uniform(-1.0, 1.0, 6)
            in_stack[slice_idx] = state
        state = state + between * rng.standard_normal(6)
        poses.append(in_stack)
    table = np.concatenate(poses)
    return PoseTable(table[:, :3], table[:, 3:], np.zeros(3) if centre_mm is None else np.asarray(centre_mm))
