"""The network: what it is shown, what it gives back untrained, and how it learns from the two terms."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fetalt2prep.core.fit import fit
from fetalt2prep.core.guided.first import first_maps, plain_maps
from fetalt2prep.core.guided.learn import GuidedTraining, LearnOptions, Lesson, new_state, terms_of
from fetalt2prep.core.guided.network import N_INPUTS, PER_GUIDE, GuidedNet, Shown, inputs_of, slot_of
from fetalt2prep.core.guided.options import GuidedOptions
from fetalt2prep.core.guided.refine_network import Switches, look_at, refine_by_network
from fetalt2prep.core.guided.terms import GuideTerm, MapAnchor
from fetalt2prep.core.guided.unknowns import Maps
from fetalt2prep.core.signal import InversionRecovery, Mprage, SpinEcho, SpoiledGradientEcho

from .conftest import T1W, T2W

OPTIONS = LearnOptions(n_steps=30, batch_size=1, width=8, n_blocks=1, warm_up=2, learning_rate=5e-3)


@pytest.fixture(scope="module")
def lesson(thing) -> Lesson:
    guides = [thing.guide(T1W, name="t1w"), thing.guide(T2W, name="t2w")]
    known = {"t1w": 1.0, "t2w": 1.0}
    return Lesson(thing.coarse(), guides, known, known, thing.see, thing.mask)


@pytest.fixture(scope="module")
def trained(lesson):
    return fit(GuidedTraining(OPTIONS, lambda step, number: lesson), OPTIONS.n_steps, check_every=1)


def test_untrained_it_gives_back_what_it_is_shown(thing):
    coarse = thing.coarse()
    look = look_at(coarse, {}, thing.see, thing.mask, Switches())
    answer = GuidedNet(8, 1)(look.base, look.channels)
    for found, shown in zip((answer.pd, answer.r1, answer.r2), (look.base.pd, look.base.r1, look.base.r2), strict=True):
        torch.testing.assert_close(found, shown)


def test_true_maps_and_their_guide_are_a_ratio_of_zero(thing):
    fill = torch.ones_like(thing.pd)
    maps = Maps(*(torch.where(thing.mask, v, f) for v, f in (
        (thing.pd, fill), (1 / thing.t1_s.clamp(min=1e-3), fill), (1 / thing.t2_s.clamp(min=1e-3), fill)
    )))  # fmt: skip
    shown = {"t2": Shown(image=thing.signal(T2W), model=T2W)}
    channels = inputs_of(maps, shown, thing.mask, 0.8, 2.0)
    assert channels.shape == (N_INPUTS, *thing.mask.shape)
    first = 5 + PER_GUIDE  # the slot of t2
    assert float(channels[first].abs().max()) < 1e-5
    assert float(channels[5:first].abs().max()) == 0.0  # no T1-weighted guide
    assert float(channels[:, ~thing.mask].abs().max()) == 0.0
    slope = channels[first + 3][thing.mask]  # with log R2: -TE R2 of a spin echo, a little less for DIM
    torch.testing.assert_close(slope, (-T2W.te_s * maps.r2)[thing.mask], rtol=0.3, atol=0.05)


@pytest.mark.parametrize(
    ("model", "slot"),
    [
        (SpinEcho(te_s=0.1, tr_s=5.0), "t2"),
        (SpinEcho(te_s=0.1), "t2"),
        (InversionRecovery(te_s=0.12, ti_s=2.5, tr_s=9.0), "t2"),
        (SpinEcho(te_s=0.01, tr_s=0.5), "t1"),
        (SpoiledGradientEcho(te_s=0.003, tr_s=0.015, flip_deg=20.0), "t1"),
        (Mprage(te_s=0.003, ti_s=0.9, tr_s=2.2, flip_deg=8.0, spacing_s=0.008, n_pulses=150), "t1"),
    ],
)
def test_a_sequence_has_the_slot_of_its_contrast(model, slot):
    assert slot_of(model) == slot


def test_it_learns_from_the_two_terms_alone(trained, thing, lesson):
    first, last = trained.losses[0], trained.losses[-1]
    assert last < 0.7 * first
    before, _ = first_maps(lesson.coarse.pd, lesson.coarse.t1_s, lesson.coarse.t2_s, thing.see, thing.mask)
    found = refine_by_network(
        lesson.coarse, lesson.guides, thing.see, thing.mask, GuidedOptions(), network=trained.state.network
    )
    for true, old, new in ((thing.t1_s, 1 / before.r1, found.t1_s), (thing.t2_s, 1 / before.r2, found.t2_s)):
        was, now = ((torch.log(x[thing.mask] / true[thing.mask])).abs().mean() for x in (old, new))
        assert float(now) < float(was)
    assert float(found.pd[~thing.mask].abs().max()) == 0.0
    assert float(found.t2_s[thing.mask].min()) > 0


def test_fit_and_network_share_their_terms(lesson):
    guides_and_anchor = terms_of(lesson, Switches())
    assert [type(term) for term in guides_and_anchor] == [GuideTerm, GuideTerm, MapAnchor]
    assert [type(term) for term in terms_of(lesson, Switches(anchor=False))] == [GuideTerm, GuideTerm]


def test_switches_change_what_it_is_shown(thing):
    coarse = thing.coarse()
    other = replace(coarse, t1_s=1.2 * coarse.t1_s)
    shown = {"t1": Shown(image=thing.signal(T1W), model=T1W)}

    def channels(maps, switches):
        return look_at(maps, shown, thing.see, thing.mask, switches).channels

    seeing, blind = Switches(), Switches(maps=False)
    assert not torch.equal(channels(coarse, seeing), channels(other, seeing))
    assert torch.equal(channels(coarse, blind), channels(other, blind))


def test_the_same_seed_gives_the_same_weights(lesson):
    def weights(seed):
        options = replace(OPTIONS, n_steps=2, seed=seed)
        state = fit(GuidedTraining(options, lambda step, number: lesson, new_state(options)), 2).state
        return torch.cat([p.detach().ravel() for p in state.network.parameters()])

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


def test_where_a_guide_disagrees_the_coarse_maps_come_back(trained, thing, lesson):
    lesion = torch.zeros_like(thing.mask)
    lesion[20:25, 18:23, 3:9] = True
    t1w, t2w = lesson.guides
    image = torch.where(lesion, 3.0 * t2w.image, t2w.image)
    core = torch.zeros_like(lesion)
    core[21:24, 19:22, 4:8] = True

    def run(guides):
        return refine_by_network(
            lesson.coarse, guides, thing.see, thing.mask, GuidedOptions(), network=trained.state.network
        )

    found = run([t1w, replace(t2w, image=image)])
    plain = plain_maps(lesson.coarse.pd, lesson.coarse.t1_s, lesson.coarse.t2_s, thing.see)
    assert float(found.mismatch[core].mean()) > 0.8
    off = (found.t2_s * plain.r2).log().abs()[core]
    assert float(off.mean()) < 0.1


def test_a_guides_gain_does_not_matter(trained, thing, lesson):
    t1w, t2w = lesson.guides
    scaled = replace(t2w, image=7.0 * t2w.image, noise=7.0 * t2w.noise)
    one, other = (
        refine_by_network(
            lesson.coarse, [t1w, g], thing.see, thing.mask, GuidedOptions(), network=trained.state.network
        )
        for g in (t2w, scaled)
    )
    torch.testing.assert_close(one.t2_s, other.t2_s, rtol=1e-3, atol=1e-4)


def test_what_it_cannot_do_is_said(thing, lesson):
    network, (t1w, _) = GuidedNet(4, 1), lesson.guides

    def run(coarse, guides, options=None):
        refine_by_network(coarse, guides, thing.see, thing.mask, options or GuidedOptions(), network=network)

    with pytest.raises(ValueError, match="needs a coarse T1 map"):
        run(thing.coarse(with_t1=False), [])
    with pytest.raises(ValueError, match="one of each kind"):
        run(thing.coarse(), [t1w, replace(t1w, name="again")])
    with pytest.raises(ValueError, match="take the fit"):
        run(thing.coarse(), [t1w], GuidedOptions(use="edges"))
    with pytest.raises(ValueError, match="width is 0"):
        LearnOptions(width=0)


def test_the_start_stays_within_the_coarse_voxels_around(thing):
    coarse = thing.coarse()
    maps, typical = first_maps(coarse.pd, coarse.t1_s, coarse.t2_s, thing.see, thing.mask)
    zero_filled = thing.see.zero_fill(coarse.t2_s)
    assert float(zero_filled[thing.mask].min()) < 0.0  # rings below zero beside fluid
    assert float((1 / maps.r2)[thing.mask].min()) > 0.0049
    assert float((1 / maps.r2).max()) <= float(coarse.t2_s.max()) * (1 + 1e-5)
    assert 0.6 < typical < 0.9
    alone, _ = first_maps(coarse.pd, None, coarse.t2_s, thing.see, thing.mask)
    assert float(alone.r1.abs().max()) == 0.0
