"""Geometry of stacks: profiles over a slab, gaps and overlaps, tilted planes, what no scanner has."""

from __future__ import annotations

from dataclasses import replace
from math import erf, log, sqrt

import numpy as np
import pytest

from fetalt2prep.sim import CaseOptions, simulate_case
from fetalt2prep.sim.acquisition import Head, SliceEffects, StackPlan, acquire_stack, plan_affine, plane_axes
from fetalt2prep.sim.artefacts import VoidTable


def column(profile: np.ndarray, step_mm: float) -> Head:
    """A head that varies along z only, 24 x 24 mm wide, its middle at the world's origin."""
    signal = np.broadcast_to(profile.astype(np.float32), (24, 24, len(profile))).copy()
    affine = np.diag([1.0, 1.0, step_mm, 1.0])
    affine[:3, 3] = -affine[:3, :3] @ ((np.asarray(signal.shape) - 1) / 2)
    return Head(signal, np.ones_like(signal), np.ones_like(signal), affine)


def slices_of(head: Head, profile: str, spacing_mm: float, n_slices: int) -> np.ndarray:
    """Signal in the middle of every slice of 4 mm, (slice,)."""
    shape = (8, 8, n_slices)
    plan = StackPlan(
        plane="ax",
        run=1,
        echo=1,
        te_s=0.3,
        affine=plan_affine("ax", np.eye(4), np.zeros(3), np.zeros(3), (2.0, 2.0, spacing_mm), shape),
        shape=shape,
        thickness_mm=4.0,
        slice_times_s=np.arange(float(n_slices)),
        profile=profile,
    )
    zeros, ones = np.zeros(n_slices), np.ones(n_slices)
    still = SliceEffects(np.tile(np.eye(4), (n_slices, 1, 1)), VoidTable(zeros, zeros, zeros, zeros, ones, ones), ones)
    return np.asarray(acquire_stack(plan, head, still, 0)[3:5, 3:5].mean((0, 1)))


@pytest.mark.parametrize(
    ("profile", "expected"),
    [("boxcar", 1.0), ("gaussian", erf(sqrt(log(2))) / erf(2 * sqrt(log(2))))],  # 0.761 / 0.981, cut off at +-4 mm
)
def test_slab_as_thick_as_the_slice_by_hand(profile: str, expected: float) -> None:
    z = (np.arange(401) - 200) * 0.1
    slab = np.where(np.isclose(np.abs(z), 2.0), 0.5, np.abs(z) < 2.0)
    seen = slices_of(column(slab, 0.1), profile, 4.0, 5)
    assert seen[2] == pytest.approx(expected, abs=0.01)
    assert seen[1] == pytest.approx((1.0 - expected) / 2, abs=0.01)


@pytest.mark.parametrize("spacing_mm", [2.0, 4.0, 6.0])
def test_overlaps_see_twice_and_gaps_leave_out(spacing_mm: float) -> None:
    """Signal that all slices see over what is there: thickness over spacing."""
    z = np.arange(120.0) - 59.5
    hill = np.clip(1.0 - np.abs(z) / 24.0, 0.0, None)
    seen = slices_of(column(hill, 1.0), "boxcar", spacing_mm, int(48 / spacing_mm) + 2)
    assert seen.sum() * 4.0 == pytest.approx(4.0 / spacing_mm * hill.sum(), rel=0.02)


def test_planes_can_be_tilted_at_will() -> None:
    assert np.allclose(plane_axes("ax:0,0,90"), [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-12)
    assert np.allclose(plane_axes("cor:10,-20,30").T @ plane_axes("cor:10,-20,30"), np.eye(3))
    for wrong in ("ax:20", "ax:a,b,c", "ax:1,2,inf"):
        with pytest.raises(ValueError, match="a tilt is three angles"):
            plane_axes(wrong)


def test_a_tilted_plane_has_a_name_that_bids_takes_and_its_own_runs(small_options: CaseOptions) -> None:
    planes = ("ax:20,0,-10.5", "ax", "ax:20,0,-10.5")
    case = simulate_case(replace(small_options, planes=planes, te_s=(0.3,), motion="none"), 1)
    names = [stack.name for stack in case.stacks]
    assert names == [f"acq-{name}_echo-1" for name in ("ax20x0xm10p5_run-1", "ax_run-1", "ax20x0xm10p5_run-2")]
    normals = [stack.affine[:3, 2] / np.linalg.norm(stack.affine[:3, 2]) for stack in case.stacks]
    assert np.degrees(np.arccos(normals[0] @ normals[1])) == pytest.approx(
        22.5, abs=9
    )  # planned to within some degrees


def test_impossible_geometry_is_refused(small_options: CaseOptions) -> None:
    with pytest.raises(ValueError, match=r"in_plane_mm is 0\.02: plane 'ax' would need a matrix of"):
        simulate_case(replace(small_options, in_plane_mm=0.02), 1)
    with pytest.raises(ValueError, match=r"spacing_mm is 30: plane 'ax' would have 2 slices"):
        simulate_case(replace(small_options, spacing_mm=30.0), 1)
