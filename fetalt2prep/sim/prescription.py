"""Where the head lies in the scanner, and which stacks the operator plans over it."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from fetalt2prep.sim.acquisition import StackPlan, plan_affine, plan_shape, plane_label
from fetalt2prep.sim.motion import slice_times_s
from fetalt2prep.sim.options import CaseOptions
from fetalt2prep.sim.subject import Subject

Doubles = NDArray[np.float64]
MAX_MATRIX = 1024
MIN_SLICES = 3


def draw_head_position(rng: np.random.Generator) -> Doubles:
    """Head at rest, head frame -> scanner (4, 4): turned by about 12 deg per axis, up to 10 mm off."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(12.0 * rng.standard_normal(3), degrees=True).as_matrix()
    matrix[:3, 3] = rng.uniform(-10.0, 10.0, 3)
    return matrix


def draw_prescription(
    rng: np.random.Generator, options: CaseOptions, subject: Subject, head_to_scanner: Doubles
) -> list[StackPlan]:
    """Stack plans in the order of acquisition: every plane at all echo times before the next plane.

    The operator aligns each plane to the head to within about 3 deg and 2 mm, once for all its echo times. Raises when
    the options make no stack that could be acquired.
    """
    low, high = subject.brain_low_mm, subject.brain_high_mm
    spacing = (options.in_plane_mm, options.in_plane_mm, options.spacing_mm)
    runs: Counter[str] = Counter()
    plans = []
    for plane in options.planes:
        runs[plane_label(plane)] += 1
        centre = head_to_scanner[:3, :3] @ ((low + high) / 2) + head_to_scanner[:3, 3] + rng.uniform(-2.0, 2.0, 3)
        shape = plan_shape(plane, high - low, (options.margin_mm, options.slice_margin_mm), spacing)
        check_geometry(plane, shape, options)
        affine = plan_affine(plane, head_to_scanner, 3.0 * rng.standard_normal(3), centre, spacing, shape)
        plans += [
            StackPlan(
                plane=plane,
                run=runs[plane_label(plane)],
                echo=echo,
                te_s=te_s,
                affine=affine,
                shape=shape,
                thickness_mm=options.thickness_mm,
                slice_times_s=slice_times_s(shape[2], options.repetition_time_s, options.interleave),
                profile=options.slice_profile,
                acquired=acquired_matrix(shape, options),
            )
            for echo, te_s in enumerate(sorted(options.te_s), 1)
        ]
    return plans


def acquired_matrix(shape: tuple[int, int, int], options: CaseOptions) -> tuple[int, int] | None:
    """Matrix before zero filling, even sizes; None where every pixel is measured."""
    if options.acquired_mm is None or options.acquired_mm == options.in_plane_mm:
        return None
    nx, ny = (2 * max(1, round(n * options.in_plane_mm / options.acquired_mm / 2)) for n in shape[:2])
    return nx, ny


def check_geometry(plane: str, shape: tuple[int, int, int], options: CaseOptions) -> None:
    """Raise when a stack has a matrix no scanner has, or too few slices to hold a brain."""
    if max(shape[:2]) > MAX_MATRIX:
        raise ValueError(
            f"in_plane_mm is {options.in_plane_mm:g}: plane {plane!r} would need a matrix of {shape[0]} x {shape[1]}, "
            f"and {MAX_MATRIX} is the largest. Take larger pixels or a smaller margin_mm."
        )
    if shape[2] < MIN_SLICES:
        raise ValueError(
            f"spacing_mm is {options.spacing_mm:g}: plane {plane!r} would have {shape[2]} slices over the brain, and "
            f"{MIN_SLICES} is the least. Take a smaller spacing_mm."
        )


def session_times_s(plans: list[StackPlan], options: CaseOptions) -> Doubles:
    """Time of every slice from the start of the session, (slice,): stacks one after the other with a pause between."""
    lengths = np.array([options.repetition_time_s * plan.shape[2] + options.pause_s for plan in plans])
    starts = np.concatenate(([0.0], np.cumsum(lengths)[:-1]))
    return np.concatenate([start + plan.slice_times_s for start, plan in zip(starts, plans, strict=True)])
