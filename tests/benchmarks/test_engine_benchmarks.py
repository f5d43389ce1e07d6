"""The benchmarks of the engine: levers that really switch, poses between neighbours, scores, and the page."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks import ablation, engine_page
from benchmarks.ablation import ROWS, Row
from benchmarks.left_out import EVERY, FIRST, between_neighbours, interpolated, left_out_pixels, scores, without
from fetalt2prep.core.geometry import Rigid
from fetalt2prep.core.recon import field_fit, joint, priors, trust
from fetalt2prep.core.recon.slices import flatten
from fetalt2prep.core.recon.smooth_field import SmoothField
from fetalt2prep.core.slice_op import in_plane_sigma_mm
from fetalt2prep.core.stack import Stack


def ramp_stack(name: str) -> Stack:
    """Signal that is linear in space, so that linear interpolation is exact."""
    x, y, z = np.indices((20, 20, 9), dtype=np.float32)
    affine = np.diag([2.0, 2.0, 4.0, 1.0])
    mask = np.ones(x.shape, dtype=bool)
    pixels = 100 + 3 * x + y + 2 * z
    return Stack(name=name, pixels=pixels, mask=mask, affine=affine, te_s=0.1, thickness_mm=4.0, noise_sigma=1.0)


def settings() -> tuple[object, ...]:
    """Whatever a row may exchange."""
    points = torch.rand(300, 3, generator=torch.Generator().manual_seed(0))
    coil = SmoothField.fitted(points, points[:, 0], torch.ones(300)).at(points).std() > 0.01
    weights = (trust.cauchy_weights, trust.slice_weights, trust.slice_gains, joint.search_stacks, joint._scene)
    weights += (joint.search_lost,)
    numbers = (priors.DENSITY_WEIGHT, priors.RATE_EDGE_WEIGHT, priors.RATE_WEIGHT, field_fit.EDGE_WEIGHT)
    return (*weights, *numbers, in_plane_sigma_mm(1.0), joint.levels(0.8), bool(coil))


@pytest.mark.parametrize("row", ROWS[1:], ids=lambda row: row.name)
def test_every_row_differs_and_leaves_nothing_behind(row: Row) -> None:
    before = settings()
    with row.change():
        inside = settings()
    assert (inside != before) != (row.options != ablation.DEFAULT), "a row changes one thing: code or option"
    assert settings() == before


def test_a_left_out_slice_lies_between_its_neighbours() -> None:
    slices = flatten([ramp_stack("a"), ramp_stack("b")])
    drift = slices.index_in_stack[:, None].float()
    still = Rigid.identity(slices.centres_mm)
    moved = still.nudged(drift * torch.tensor([0.01, 0.0, 0.0]), drift * torch.tensor([0.3, 0.0, -0.2]))
    between = between_neighbours(moved, slices)
    inner = (slices.index_in_stack > 0) & (slices.index_in_stack < 8)
    torch.testing.assert_close(between.rotation[inner], moved.rotation[inner], atol=1e-5, rtol=0)
    # about its own centre a neighbour turned by 0.01 rad carries a slice 4 mm away by 0.04 mm
    torch.testing.assert_close(between.shift_mm[inner], moved.shift_mm[inner], atol=0.05, rtol=0)
    torch.testing.assert_close(between.matrix()[~inner], moved.matrix()[~inner])


def test_only_left_out_slices_are_scored_and_interpolation_is_exact_on_a_ramp() -> None:
    stacks = [ramp_stack("a"), ramp_stack("b")]
    known = flatten([without(stack) for stack in stacks])
    slices = left_out_pixels(stacks, known)
    assert set((slices.index_in_stack[slices.slice_idx] % EVERY).tolist()) == {FIRST}
    assert not set(slices.slice_idx.tolist()) & set(known.slice_idx.tolist())
    torch.testing.assert_close(interpolated(stacks, slices).float(), slices.values, atol=1e-5, rtol=0)


def test_scores_allow_one_gain_and_see_noise() -> None:
    slices = left_out_pixels([ramp_stack("a"), ramp_stack("b")], flatten([ramp_stack("a")]))
    seen = torch.ones(len(slices.values), dtype=torch.bool)
    noise = 0.1 * torch.randn(len(slices.values), generator=torch.Generator().manual_seed(1))
    assert scores(0.5 * slices.values, slices, seen)["ncc"] == pytest.approx(1.0)
    noisy = scores(slices.values + noise, slices, seen)
    assert noisy["psnr_db"] == pytest.approx(20, abs=1)  # of 0.1
    assert noisy["ncc"] < 0.9
    halves = replace(slices, values=slices.values * (1 + (slices.slice_idx > 8)))
    assert scores(slices.values, halves, seen)["ncc"] == pytest.approx(1.0)


def test_page_has_a_place_for_every_table() -> None:
    page = engine_page.PAGE.read_text("utf-8")
    for name in ("ablation", "limits", "fresh", "models", "wrong", "growth", "stages", "left_out"):
        begin, end = page.find(f"<!-- {name}:begin -->"), page.find(f"<!-- {name}:end -->")
        assert 0 < begin < end
