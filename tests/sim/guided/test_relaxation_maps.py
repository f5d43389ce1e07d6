"""Heads for guided super-resolution: mixed voxels, the same head from the same seed, and what guides show of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fetalt2prep.core.guided.network import slot_of
from fetalt2prep.core.signal import SpinEcho
from fetalt2prep.sim.guided.case import GAIN, draw_guided_case, draw_patch, draw_t1w, draw_t2w, flair
from fetalt2prep.sim.guided.relaxation_maps import Head, RelaxationMaps, SlabOptions, draw_fine, draw_head
from fetalt2prep.sim.phantom import Label

SMALL = SlabOptions(spacing_mm=2.6, n_slices=8)


@pytest.fixture(scope="module")
def head() -> Head:
    return draw_head(np.random.default_rng(5), SMALL)


def test_the_same_seed_is_the_same_head_and_another_is_not(head: Head) -> None:
    again, other = (draw_head(np.random.default_rng(seed), SMALL) for seed in (5, 6))
    np.testing.assert_array_equal(head.maps.t1_s, again.maps.t1_s)
    assert head.maps.t1_s.shape != other.maps.t1_s.shape or not np.array_equal(head.maps.t1_s, other.maps.t1_s)


def test_tissues_have_their_order_and_vary_within(head: Head) -> None:
    white, grey = (head.labels == label for label in (Label.WHITE_MATTER, Label.CORTICAL_GREY))
    for values in (head.maps.t1_s, head.maps.t2_s):
        assert np.median(values[white]) < np.median(values[grey])
        assert 0.01 < np.std(np.log(values[white])) < 0.3
    assert 0.2 < white.sum() / head.maps.mask.sum() < 0.8
    logs = np.log(head.maps.t1_s[white]), np.log(head.maps.t2_s[white])
    assert 0.2 < np.corrcoef(*logs)[0, 1] < 0.99
    outside = ~head.maps.mask
    assert max(float(np.abs(part[outside]).max()) for part in (head.maps.pd, head.maps.t1_s, head.labels)) == 0.0


def test_a_voxel_of_two_tissues_by_hand() -> None:
    fine = np.ones((3, 2, 2, 2), np.float32)
    fine[0, 0], fine[0, 1] = 0.5, 1.0  # density
    fine[1] = 1.0
    fine[2, 0], fine[2, 1] = 0.1, 1.0  # T2
    maps = RelaxationMaps.of(fine)
    assert float(maps.pd[0, 0, 0]) == pytest.approx(0.75)
    assert float(maps.t2_s[0, 0, 0]) == pytest.approx(0.1 ** (1 / 3))  # a third of the density
    model = SpinEcho(te_s=0.1)
    assert float(maps.signal(model)[0, 0, 0]) == pytest.approx((0.5 * np.exp(-1.0) + np.exp(-0.1)) / 2)


def test_coarse_maps_and_guides_are_what_they_say(head: Head) -> None:
    case = draw_guided_case(np.random.default_rng(1), head.maps, 2)
    assert case.see.coarse == tuple(n // 2 for n in head.maps.mask.shape)
    cut = case.see.forward(torch.from_numpy(head.maps.t1_s))
    assert case.coarse.t1_s is not None
    off = (case.coarse.t1_s - cut).abs() / cut.abs().clamp(min=1e-3)
    assert 0.005 < float(off[cut > 0.5].std()) < 0.02
    for name, guide in case.guides.items():
        clean = torch.from_numpy(head.maps.signal(guide.model))
        noise = (guide.image - case.gains[name] * clean)[case.mask]
        assert float(noise.std()) == pytest.approx(guide.noise, rel=0.1)
        assert abs(np.log(case.gains[name])) <= GAIN


def test_drawn_sequences_have_their_contrast() -> None:
    rng = np.random.default_rng(0)
    assert {slot_of(draw_t1w(rng)) for _ in range(40)} == {"t1"}
    assert {slot_of(draw_t2w(rng)) for _ in range(10)} == {"t2"}


@pytest.mark.parametrize("field_t", [1.5, 3.0])
def test_flair_has_no_fluid(field_t: float) -> None:
    one = torch.ones(1)
    fluid = flair(field_t)(one, one / (4.4 if field_t > 2 else 4.0), one / 2.0).abs()
    grey = flair(field_t)(0.82 * one, one / (1.8 if field_t > 2 else 1.1), one / 0.17).abs()
    assert float(fluid) < 0.25 * float(grey)


def test_patches_are_empty_around_and_keep_the_tissue() -> None:
    fine = draw_fine(3)
    assert fine.dtype == np.float16
    maps = draw_patch(np.random.default_rng(0), fine, 24)
    assert maps.mask.shape[:2] == (24, 24)
    assert not maps.mask[0].any()
    assert not maps.mask[:, -1].any()
    known = set(np.unique(fine[1]).tolist())
    assert set(np.unique(maps.fine[1]).tolist()) <= known
    with pytest.raises(ValueError, match="does not fit"):
        draw_patch(np.random.default_rng(0), fine, 400)
