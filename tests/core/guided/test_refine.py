"""Refined maps of one subject: what guides bring, and what a bad guide must not do."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from fetalt2prep.core.guided.options import GuidedOptions
from fetalt2prep.core.guided.refine import refine
from fetalt2prep.core.guided.subject import SubjectFit, fit_subject
from fetalt2prep.core.guided.terms import EdgePrior, GuideTerm, edge_weights
from fetalt2prep.core.guided.trust import trust_guide
from fetalt2prep.core.guided.unknowns import Coordinates, Maps
from fetalt2prep.core.guided.use import use_of
from fetalt2prep.core.metrics import hfen
from fetalt2prep.core.signal import InversionRecovery, SpinEcho

from .conftest import T1W, T2W

OPTIONS = GuidedOptions(n_steps=200)
TE_S = (0.05, 0.1, 0.2)


@pytest.fixture(scope="module")
def results(thing):
    """T1 and T2, by which guides there are."""

    def run(*models):
        guides = [thing.guide(model, name=str(n), seed=n) for n, model in enumerate(models)]
        found = refine(thing.coarse(), guides, thing.see, thing.mask, OPTIONS)
        return found.t1_s, found.t2_s

    return {"none": run(), "t1w": run(T1W), "t2w": run(T2W), "both": run(T1W, T2W)}


@pytest.fixture(scope="module")
def errors(results, thing, error):
    """Relative error of T1 and T2 in grey matter, by which guides there are."""
    return {
        name: (error(t1_s, thing.t1_s, thing.grey), error(t2_s, thing.t2_s, thing.grey))
        for name, (t1_s, t2_s) in results.items()
    }


def test_high_frequency_error_falls_with_every_guide(results, thing):
    """The order and the size that the published system reports: T1 by at least 40 %."""

    def of(t1_s, t2_s):
        pairs = ((thing.t1_s, t1_s), (thing.t2_s, t2_s))
        return [hfen(true.numpy(), (found * thing.mask).numpy(), thing.mask.numpy()) for true, found in pairs]

    coarse = thing.coarse()
    base = of(thing.see.zero_fill(coarse.t1_s), thing.see.zero_fill(coarse.t2_s))
    found = {name: of(*maps) for name, maps in results.items()}
    assert found["both"][0] < 0.6 * base[0]
    assert found["both"][1] <= 1.02 * found["t2w"][1] < found["none"][1] < base[1]
    assert found["both"][0] <= 1.02 * found["t1w"][0] < found["none"][0] < base[0]


def test_without_the_coarse_maps_two_guides_do_not_know_three_maps(errors, thing, error):
    inside = thing.mask.float()
    guides = [GuideTerm(image=thing.signal(m), model=m, sigma=0.01, weight=inside) for m in (T1W, T2W)]
    edges = EdgePrior(weight=edge_weights([thing.signal(T1W)], [inside], inside), strength=(3.0, 3.0, 3.0))
    first = Maps(*(torch.full(thing.mask.shape, value) for value in (0.8, 1.0, 10.0)))
    method = SubjectFit(
        first=first, coordinates=Coordinates(), mask=thing.mask, terms=[*guides, edges], n_steps=OPTIONS.n_steps
    )
    maps, _ = fit_subject(method)
    assert error(1 / maps.r1, thing.t1_s, thing.grey) > 1.5 * errors["both"][0]


def test_guides_help_and_both_help_most(errors):
    for kind in (0, 1):
        assert errors["both"][kind] < 0.7 * errors["none"][kind]
    assert errors["t1w"][0] < errors["none"][0]
    assert errors["t2w"][1] < errors["none"][1]
    assert errors["both"][0] <= errors["t2w"][0]
    assert errors["both"][1] <= errors["t1w"][1]


def test_each_guide_helps_its_own_time_more_than_the_other_guide_does(errors):
    assert errors["t1w"][0] < errors["t2w"][0]
    assert errors["t2w"][1] < errors["t1w"][1]


def test_the_result_is_consistent_with_the_coarse_maps(thing):
    coarse = thing.coarse()
    found = refine(coarse, [thing.guide(T2W)], thing.see, thing.mask, OPTIONS)
    off = (thing.see.forward(found.pd) - coarse.pd).abs()
    assert float(off.median()) < 0.02 * float(coarse.pd.max())
    assert float(found.t2_s[thing.mask].min()) > 0
    assert float(found.t2_s[~thing.mask].abs().max()) == 0.0


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_a_gain_between_guide_and_maps_is_found_and_taken_off(thing, error, gain):
    plain = thing.guide(T2W)
    scaled = replace(plain, image=gain * plain.image, noise=gain * plain.noise)
    coarse = thing.coarse_from_echoes(TE_S)
    as_is, found = (refine(coarse, [g], thing.see, thing.mask, OPTIONS) for g in (plain, scaled))
    assert found.info["guides"][0]["gain"] == pytest.approx(gain * as_is.info["guides"][0]["gain"], rel=1e-4)
    assert error(found.t2_s, as_is.t2_s.clamp(min=1e-3), thing.mask) < 0.01


@pytest.mark.parametrize("model", [SpinEcho(te_s=0.1), SpinEcho(te_s=0.4)], ids=["between", "beyond"])
@pytest.mark.parametrize("wrong", ["gain 0.5", "gain 2", "shifted"])
def test_a_wrong_guide_is_hardly_worse_than_none(thing, error, model, wrong):
    coarse = thing.coarse_from_echoes(TE_S)
    guide = replace(thing.guide(model), same_scale=True)
    changes = {
        "gain 0.5": lambda image: 0.5 * image,
        "gain 2": lambda image: 2.0 * image,
        "shifted": lambda image: torch.roll(image, 3, 0),
    }
    guide = replace(guide, image=changes[wrong](guide.image))
    alone = refine(coarse, [], thing.see, thing.mask, OPTIONS)
    found = refine(coarse, [guide], thing.see, thing.mask, OPTIONS)
    for region in (thing.grey, thing.mask & ~thing.grey):
        assert error(found.t2_s, thing.t2_s, region) < 1.05 * error(alone.t2_s, thing.t2_s, region)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("names", [("t1w",), ("t2w",), ("t1w", "t2w")])
def test_with_a_t1_map_guides_off_their_place_are_hardly_worse_than_none(thing, error, results, axis, names):
    models = {"t1w": T1W, "t2w": T2W}
    guides = [thing.guide(models[name], name=name) for name in names]
    guides = [replace(g, image=torch.roll(g.image, 3, axis)) for g in guides]
    found = refine(thing.coarse(), guides, thing.see, thing.mask, OPTIONS)
    _, alone = results["none"]
    for region in (thing.grey, thing.mask & ~thing.grey):
        assert error(found.t2_s, thing.t2_s, region) < 1.05 * error(alone, thing.t2_s, region)
    for row in found.info["guides"]:
        assert row["use"] != "signal" or row["misfit"]["with_its_values"] <= row["misfit"]["allowed"]


def test_a_lesion_in_the_guide_alone_is_marked_and_not_copied(thing):
    guide = thing.guide(T2W)
    lesion = torch.zeros_like(thing.mask)
    lesion[20:25, 18:23, 3:9] = True
    image = torch.where(lesion, 3.0 * guide.image, guide.image)
    coarse = thing.coarse()
    clean = refine(coarse, [guide], thing.see, thing.mask, OPTIONS)
    found = refine(coarse, [replace(guide, image=image)], thing.see, thing.mask, OPTIONS)
    core = torch.zeros_like(lesion)
    core[21:24, 19:22, 4:8] = True
    assert float(found.mismatch[core].mean()) > 0.8
    assert float(found.mismatch[thing.mask & ~lesion].median()) < 0.2
    change = (found.t2_s / clean.t2_s.clamp(min=1e-3))[core].mean()
    assert float(change) == pytest.approx(1.0, abs=0.25)


def test_guides_are_used_as_their_scale_allows(thing):
    coarse = thing.coarse_from_echoes(TE_S)
    first = Maps(*(torch.where(thing.mask, v, f) for v, f in (
        (thing.pd, 1e-3), (torch.zeros_like(thing.pd), 0.0), (1 / thing.t2_s.clamp(min=1e-3), 1.0)
    )))  # fmt: skip

    def use(te_s, *, same_scale, gain=1.0):
        guide = thing.guide(SpinEcho(te_s=te_s))
        guide = replace(guide, image=gain * guide.image, same_scale=same_scale)
        trust = trust_guide(guide.image, guide.model, first, thing.see, thing.mask, guide.noise)
        return use_of(guide, trust, coarse, thing.mask, OPTIONS)

    assert use(0.1, same_scale=False, gain=7.0) == "signal"  # between the coarse echo times
    assert use(0.3, same_scale=True) == "signal"
    assert use(0.3, same_scale=False) == "edges"
    assert use(0.3, same_scale=True, gain=1.5) == "edges"  # says it is known; the maps say otherwise


def test_edges_alone_do_not_know_the_guides_scale(thing):
    coarse, guide = thing.coarse_from_echoes(TE_S), thing.guide(SpinEcho(te_s=0.4))
    options = replace(OPTIONS, use="edges")
    one, other = (
        refine(
            coarse, [replace(guide, image=gain * guide.image, noise=gain * guide.noise)], thing.see, thing.mask, options
        )
        for gain in (1.0, 37.0)
    )
    assert float(((one.t2_s - other.t2_s).abs() / one.t2_s.clamp(min=1e-3))[thing.mask].quantile(0.999)) < 0.02


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c, g, m: (replace(c, pd=c.pd[:-1]), g, m), "coarse map pd has shape"),
        (lambda c, g, m: (replace(c, t2_s=c.t2_s * float("nan")), g, m), "t2_s holds NaN"),
        (lambda c, g, m: (c, replace(g, image=g.image[1:]), m), "guide guide has shape"),
        (lambda c, g, m: (c, g, m & False), "mask is empty"),
        (lambda c, g, m: (c, replace(g, image=0 * g.image), m), "too few to compare"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_by_name(thing, change, words):
    coarse, guide, mask = change(thing.coarse(), thing.guide(T2W), thing.mask)
    with pytest.raises(ValueError, match=words):
        refine(coarse, [guide], thing.see, mask, OPTIONS)


def test_a_guide_whose_contrast_is_t1_needs_a_t1_map(thing):
    guide = replace(thing.guide(T2W), model=InversionRecovery(te_s=0.01, ti_s=0.5))
    with pytest.raises(ValueError, match="give a coarse T1 map"):
        refine(thing.coarse(with_t1=False), [guide], thing.see, thing.mask, OPTIONS)


@pytest.mark.parametrize(("name", "value"), [("use", "colours"), ("edges", -1.0), ("edges", math.inf), ("n_steps", 0)])
def test_impossible_options_are_refused(name, value):
    with pytest.raises(ValueError, match=str(value)):
        GuidedOptions(**{name: value})
