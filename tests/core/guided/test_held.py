"""An answer beside the coarse maps it should look like, and the maps that are left where there is none."""

from __future__ import annotations

import math

import pytest
import torch

from fetalt2prep.core.guided.first import plain_maps
from fetalt2prep.core.guided.held import OTHER_SCAN, SUSPECT, T2_SHARE, held_to
from fetalt2prep.core.guided.unknowns import Maps
from fetalt2prep.core.truncation import KSpaceTruncation

SHAPE, FEW = (16, 16, 8), (8, 8, 4)
SEE = KSpaceTruncation.between(SHAPE, FEW)
EVERYWHERE = torch.ones(SHAPE, dtype=torch.bool)


def held(t1_off: float = 0.0, t2_off: float = 0.0):
    """Even maps whose times are off by so much of a logarithm."""
    t1_s, t2_s = 0.9, 0.09
    rates = (1 / (t1_s * math.exp(t1_off)), 1 / (t2_s * math.exp(t2_off)))
    maps = Maps(*(torch.full(SHAPE, value) for value in (0.8, *rates)))
    return held_to(torch.full(FEW, t1_s), torch.full(FEW, t2_s), maps, SEE, EVERYWHERE)


def test_the_distance_is_that_of_log_t1_and_half_that_of_log_t2():
    assert held().distance == pytest.approx(0.0, abs=1e-3)
    assert held(t1_off=-0.1).distance == pytest.approx(1.4826 * 0.1, rel=1e-2)
    assert held(t2_off=0.1).distance == pytest.approx(1.4826 * T2_SHARE * 0.1, rel=1e-2)
    assert not held(t1_off=0.9 * OTHER_SCAN / 1.4826).refused
    assert held(t1_off=1.1 * OTHER_SCAN / 1.4826).refused


def test_belief_is_one_half_at_the_suspect_distance():
    assert float(held().belief.min()) == pytest.approx(1.0, abs=1e-3)
    assert float(held(t1_off=SUSPECT).belief.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(held(t2_off=SUSPECT / T2_SHARE).belief.mean()) == pytest.approx(0.5, abs=0.01)


def test_the_true_maps_are_held_and_those_of_a_shifted_object_are_not(thing):
    coarse = thing.coarse()
    fill = torch.ones_like(thing.pd)

    def distance(shift):
        parts = (torch.roll(v, shift, 0) for v in (thing.pd, thing.t1_s, thing.t2_s))
        pd, t1_s, t2_s = (torch.where(v > 0, v, fill) for v in parts)
        return held_to(coarse.t1_s, coarse.t2_s, Maps(pd, 1 / t1_s, 1 / t2_s), thing.see, thing.mask).distance

    assert distance(0) < 0.01
    assert distance(3) > OTHER_SCAN


def test_plain_maps_go_on_beside_voxels_without_a_value():
    values = torch.zeros(FEW)
    values[2:6, 2:6, 1:3] = 1.0
    maps = plain_maps(0.8 * values, 0.9 * values, 0.09 * values, SEE)
    for found, expected in ((maps.pd, 0.8), (1 / maps.r1, 0.9), (1 / maps.r2, 0.09)):
        torch.testing.assert_close(found[4:12, 4:12, 2:6], torch.full((8, 8, 4), expected))


def test_plain_maps_have_no_rings_beside_fluid(thing):
    coarse = thing.coarse()
    maps = plain_maps(coarse.pd, coarse.t1_s, coarse.t2_s, thing.see)
    t2_s = (1 / maps.r2)[thing.mask]
    assert float(t2_s.min()) >= float(coarse.t2_s[coarse.t2_s > 0].min().clamp(max=0.005))
    assert float(t2_s.max()) <= float(coarse.t2_s.max()) * (1 + 1e-5)
