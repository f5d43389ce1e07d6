"""Slice acquisition: a slab by hand, motion, gain, background."""

from __future__ import annotations

import numpy as np
import pytest

from fetalt2prep.sim.acquisition import (
    PLANES,
    Head,
    SliceEffects,
    StackPlan,
    acquire_mask,
    acquire_stack,
    plan_affine,
    plan_shape,
)
from fetalt2prep.sim.artefacts import VoidTable
from fetalt2prep.sim.profile import EDGE_SHARE

SIZE = 48  # mm; heads below are cubes of 1 mm voxels (0.5 along z) around the world's origin


def head_of(signal: np.ndarray, spacing_mm: tuple[float, float, float]) -> Head:
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = -affine[:3, :3] @ ((np.asarray(signal.shape) - 1) / 2)
    signal = signal.astype(np.float32)
    inside = (signal > 0).astype(np.float32)
    return Head(signal, inside, inside, affine)


def still(n_slices: int) -> SliceEffects:
    zeros, ones = np.zeros(n_slices), np.ones(n_slices)
    return SliceEffects(np.tile(np.eye(4), (n_slices, 1, 1)), VoidTable(zeros, zeros, zeros, zeros, ones, ones), ones)


def plan_of(plane: str = "ax", shape: tuple[int, int, int] = (16, 16, 5), thickness_mm: float = 4.0) -> StackPlan:
    affine = plan_affine(plane, np.eye(4), np.zeros(3), np.zeros(3), (2.0, 2.0, 4.0), shape)
    return StackPlan(
        plane=plane,
        run=1,
        echo=1,
        te_s=0.3,
        affine=affine,
        shape=shape,
        thickness_mm=thickness_mm,
        slice_times_s=np.arange(float(shape[2])),
    )


def test_slab_as_thick_as_the_slice_gives_the_share_of_the_profile_inside_it() -> None:
    """A raised-cosine edge of width e leaves ``e / 4 - e / (2 pi)`` over thickness t outside on each side."""
    z = (np.arange(401) - 200) * 0.1  # symmetric about 0, edges of the slab between samples
    signal = np.zeros((SIZE, SIZE, 401))
    signal[..., np.abs(z) < 2.0 + 1e-6] = 1.0
    signal[..., np.isclose(np.abs(z), 2.0)] = 0.5
    pixels = acquire_stack(plan_of(), head_of(signal, (1.0, 1.0, 0.1)), still(5), 0)
    expected = 1.0 - 2.0 * EDGE_SHARE * (1 / 4 - 1 / (2 * np.pi))
    assert pixels[8, 8, 2] == pytest.approx(expected, abs=1e-3)
    assert pixels[8, 8, 1] == pytest.approx((1.0 - expected) / 2, abs=1e-3)  # the neighbour sees one edge
    assert pixels[8, 8, 0] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("plane", sorted(PLANES))
def test_a_linear_ramp_is_resampled_exactly_in_every_plane(plane: str) -> None:
    """Every symmetric kernel leaves a linear signal as it is: this is static resampling, in any direction."""
    k = np.indices((SIZE,) * 3) - (SIZE - 1) / 2
    head = head_of(200.0 + k[0] + 2 * k[1] - 3 * k[2], (1.0, 1.0, 1.0))
    plan = plan_of(plane, (8, 8, 3))
    pixels = acquire_stack(plan, head, still(3), 0)
    centre = plan.affine @ [3.5, 3.5, 1, 1]
    assert pixels[..., 1].mean() == pytest.approx(200 + centre[0] + 2 * centre[1] - 3 * centre[2], abs=3.0)
    index = np.stack(np.meshgrid(np.arange(8), np.arange(8), [1.0], [1.0], indexing="ij"), -1)
    world = index[:, :, 0, 0] @ plan.affine.T
    slope = np.linalg.lstsq(np.c_[world[2:6, 2:6, :3].reshape(-1, 3), np.ones(16)], pixels[2:6, 2:6, 1].ravel())[0]
    normal = plan.affine[:3, 2] / np.linalg.norm(plan.affine[:3, 2])
    in_plane = np.array([1.0, 2.0, -3.0]) - normal * (normal @ [1.0, 2.0, -3.0])
    assert np.isclose(slope[:3] @ in_plane, in_plane @ in_plane, rtol=0.25)


def test_without_motion_noise_or_artefacts_the_signal_is_kept() -> None:
    x = np.indices((SIZE,) * 3) - (SIZE - 1) / 2
    head = head_of(100.0 * np.exp(-(x**2).sum(0) / (2 * 5.0**2)), (1.0, 1.0, 1.0))
    plan = plan_of("sag", (24, 24, 12))
    pixels = acquire_stack(plan, head, still(12), 0)
    assert pixels.sum() * 2 * 2 * 4 == pytest.approx(float(head.signal.sum()), rel=2e-3)  # voxel volumes, mm^3


def test_slice_sees_the_tissue_where_it_moved_to() -> None:
    signal = np.zeros((SIZE,) * 3)
    signal[20:28, 20:28, 10:38] = 1.0
    head, plan, effects = head_of(signal, (1.0, 1.0, 1.0)), plan_of(), still(5)
    effects.world_to_rest[2, :3, 3] = (-4.0, 0.0, 0.0)  # tissue was shifted by +4 mm along x during slice 2
    moved = acquire_stack(plan, head, effects, 0)
    rest = acquire_stack(plan, head, still(5), 0)
    assert np.allclose(moved[2:, :, 2], rest[:-2, :, 2], atol=1e-4)  # two pixels of 2 mm
    assert np.array_equal(moved[..., 1], rest[..., 1])
    mask = acquire_mask(plan, head, effects, 0)
    assert np.array_equal(mask[2:, :, 2], acquire_mask(plan, head, still(5), 0)[:-2, :, 2])
    assert mask[..., 2].sum() == 16  # 8 x 8 mm in pixels of 2 x 2 mm


def test_gain_is_linear_and_first_row_is_respected() -> None:
    rng = np.random.default_rng(0)
    head = head_of(rng.uniform(1, 2, (SIZE,) * 3), (1.0, 1.0, 1.0))
    gains = np.array([9.0, 9.0, 1.0, 0.5, 2.0, 1.0, 1.3])
    loud = SliceEffects(still(7).world_to_rest, still(7).voids, gains)
    assert np.allclose(
        acquire_stack(plan_of(), head, loud, 2),
        acquire_stack(plan_of(), head, still(5), 0) * gains[2:],
        rtol=1e-5,
    )


def test_background_shows_only_where_the_head_is_not() -> None:
    head = head_of(np.full((20, 20, 60), 3.0), (1.0, 1.0, 1.0))
    plan = plan_of(shape=(32, 32, 3))
    pixels = acquire_stack(plan, head, still(3), 0, background=lambda p: np.full(p.shape[:-1], 7.0, np.float32))
    assert pixels[16, 16, 1] == pytest.approx(3.0, abs=0.1)
    assert pixels[2, 16, 1] == pytest.approx(7.0, abs=0.1)


def test_plan_covers_the_box_and_unknown_planes_are_refused() -> None:
    assert plan_shape("ax", np.array([40.0, 50.0, 30.0]), (5.0, 3.0), (2.0, 2.0, 4.0)) == (26, 30, 9)
    assert plan_shape("cor", np.array([40.0, 50.0, 30.0]), (5.0, 3.0), (2.0, 2.0, 4.0)) == (26, 20, 14)
    assert plan_shape("sag", np.array([40.0, 50.0, 30.0]), (5.0, 3.0), (2.0, 2.0, 4.0)) == (30, 20, 12)
    with pytest.raises(ValueError, match="known planes: ax, cor, sag, oblique"):
        plan_affine("axial", np.eye(4), np.zeros(3), np.zeros(3), (1.0, 1.0, 1.0), (4, 4, 4))
