"""The network in the package and guides that are off their place, which nobody registers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fetalt2prep.core.guided.held import OTHER_SCAN
from fetalt2prep.core.guided.options import GuidedOptions
from fetalt2prep.core.guided.refine import Refined
from fetalt2prep.core.guided.refine_network import refine_by_network
from fetalt2prep.core.signal import Mprage, SignalModel, SpinEcho, SpoiledGradientEcho
from fetalt2prep.io.guided_weights import load_guided_net, packaged_guided_net
from tests.core.guided.conftest import Object

T2W = SpinEcho(te_s=0.1, tr_s=5.0)
T1W = {
    "spgr": SpoiledGradientEcho(te_s=0.003, tr_s=0.015, flip_deg=20.0),
    "mprage": Mprage(te_s=0.003, ti_s=0.9, tr_s=2.2, flip_deg=8.0, spacing_s=0.008, n_pulses=150),
}


@pytest.fixture(scope="module")
def thing() -> Object:
    return Object()


def refined(thing: Object, models: dict[str, SignalModel], off: dict[str, int], axis: int = 0) -> Refined:
    """Guides in ``off`` are so many voxels of 1 mm off their place."""
    network, switches = load_guided_net(packaged_guided_net())
    guides = [thing.guide(model, name=name) for name, model in models.items()]
    guides = [replace(g, image=torch.roll(g.image.abs(), off.get(g.name, 0), axis)) for g in guides]
    return refine_by_network(
        thing.coarse(), guides, thing.see, thing.mask, GuidedOptions(), network=network, switches=switches
    )


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("shift", [3, -3])
@pytest.mark.parametrize("t1w", ["spgr", "mprage", ""])
def test_they_are_hardly_worse_than_none(thing: Object, axis: int, shift: int, t1w: str) -> None:
    one: dict[str, SignalModel] = {t1w: T1W[t1w]} if t1w else {}
    both = one | {"t2w": T2W}
    alone = refined(thing, {}, {})
    for models, off in ((one or both, [t1w or "t2w"]), (both, list(both)), (both, ["t2w"])):
        found = refined(thing, models, dict.fromkeys(off, shift), axis)
        for region in (thing.grey, thing.mask & ~thing.grey):
            error, before = (float((maps.t2_s - thing.t2_s).abs()[region].mean()) for maps in (found, alone))
            assert error < 1.05 * before


def test_of_two_guides_the_one_that_is_off_is_left_out_and_all_answers_are_told(thing: Object) -> None:
    models = {"spgr": T1W["spgr"], "t2w": T2W}
    right, found = (refined(thing, models, off) for off in ({}, {"spgr": 3}))
    assert [g["use"] for g in right.info["guides"]] == ["signal", "signal"]
    assert [g["use"] for g in found.info["guides"]] == ["none", "signal"]
    told = {tuple(answer["guides"]): answer for answer in found.info["answers"]}
    assert {guides: answer["good"] for guides, answer in told.items()} == {
        ("spgr", "t2w"): False,
        ("spgr",): False,
        ("t2w",): True,
    }
    assert told["spgr",]["distance"] > OTHER_SCAN > told["t2w",]["distance"]


def test_a_guide_in_its_place_helps_and_where_none_does_the_mismatch_says_so(thing: Object) -> None:
    alone, right, off = (refined(thing, {"spgr": T1W["spgr"]} if n else {}, {"spgr": 3 * (n > 1)}) for n in range(3))
    errors = [float((maps.t2_s - thing.t2_s).abs()[thing.mask].mean()) for maps in (alone, right)]
    assert errors[1] < 0.7 * errors[0]
    torch.testing.assert_close(off.t2_s, alone.t2_s)
    assert float(off.mismatch[thing.mask].mean()) > 0.3 > float(right.mismatch[thing.mask].mean())
