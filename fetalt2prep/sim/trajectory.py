"""Recorded head motion: rotations and translations from a file, sampled at the time of every slice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Trajectory:
    """Poses at equal steps of time, relative to the first."""

    name: str
    rotation_rad: Doubles  # (step, 3) Euler angles about fixed x, y, z, in this order
    shift_mm: Doubles  # (step, 3)
    step_s: float

    @property
    def duration_s(self) -> float:
        """Time from the first pose to the last."""
        return (len(self.shift_mm) - 1) * self.step_s

    def poses(self, time_s: Doubles, *, scale: float = 1.0) -> tuple[Doubles, Doubles]:
        """Rotation vectors in degrees and shifts in mm at some times, both (time, 3), relative to the earliest.

        Rotations between two poses turn at a constant rate; shifts are linear. ``scale`` multiplies both.
        """
        if np.max(time_s) > self.duration_s + 1e-9:
            raise ValueError(
                f"trajectory {self.name!r} lasts {self.duration_s:g} s; {np.max(time_s):g} s are needed. Take a longer "
                "one, a longer step, fewer stacks or a shorter repetition time."
            )
        at = self.step_s * np.arange(len(self.shift_mm))
        turn = Slerp(at, Rotation.from_euler("xyz", self.rotation_rad))
        first = float(np.min(time_s))
        relative = turn(np.minimum(time_s, at[-1])) * turn(first).inv()
        shift = np.stack([np.interp(time_s, at, axis) - np.interp(first, at, axis) for axis in self.shift_mm.T], -1)
        return scale * relative.as_rotvec(degrees=True), scale * shift


def read_trajectories(path: Path, step_s: float) -> list[Trajectory]:
    """All trajectories of an npz file: pairs of arrays ``rot<name>`` in rad and ``trans<name>`` in mm, (step, 3) each.

    Rotations are Euler angles about fixed x, y, z. ``step_s``: time from one pose to the next.
    """
    if not step_s > 0:
        raise ValueError(f"step of the recorded motion is {step_s} s; it must be positive.")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: np.asarray(file[name], np.float64) for name in file.files}
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as an npz file of trajectories: {error}") from error
    names = [name.removeprefix("rot") for name in arrays if name.startswith("rot")]
    if not names:
        raise ValueError(f"{path}: has no array whose name begins with 'rot'; found {', '.join(arrays) or 'nothing'}.")
    found = []
    for name in sorted(names, key=lambda text: [int(t) if t.isdigit() else t for t in re.split(r"(\d+)", text)]):
        rotation, shift = arrays[f"rot{name}"], arrays.get(f"trans{name}")
        if shift is None:
            raise ValueError(f"{path}: has 'rot{name}' and no 'trans{name}'; every trajectory needs both.")
        if rotation.ndim != 2 or rotation.shape[1] != 3 or rotation.shape != shift.shape or len(rotation) < 2:
            raise ValueError(
                f"{path}: 'rot{name}' is {rotation.shape} and 'trans{name}' {shift.shape}; both must be (step, 3), "
                "2 steps or more."
            )
        if not (np.isfinite(rotation).all() and np.isfinite(shift).all()):
            raise ValueError(f"{path}: trajectory {name!r} has values that are not finite.")
        found.append(Trajectory(name, rotation, shift, step_s))
    return found


def choose_trajectory(
    rng: np.random.Generator, trajectories: list[Trajectory], needed_s: float, name: str | None = None
) -> tuple[Trajectory, float]:
    """The trajectory of a name, or one drawn from those that are long enough, and a drawn time to start in it."""
    named = [one for one in trajectories if name in (None, one.name)]
    if not named:
        raise ValueError(f"there is no trajectory {name!r}; known: {', '.join(one.name for one in trajectories)}.")
    enough = [one for one in named if one.duration_s >= needed_s]
    if not enough:
        longest = max(named, key=lambda one: one.duration_s)
        raise ValueError(
            f"the session takes {needed_s:g} s and the longest trajectory, {longest.name!r}, {longest.duration_s:g} s. "
            "Take a longer recording, fewer stacks or a shorter repetition time."
        )
    chosen = enough[int(rng.integers(len(enough)))]
    return chosen, float(rng.uniform(0.0, chosen.duration_s - needed_s))
