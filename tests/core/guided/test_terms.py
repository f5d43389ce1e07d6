"""The terms of the objective, one by one."""

from __future__ import annotations

import pytest
import torch

from fetalt2prep.core.guided.terms import (
    EdgePrior,
    GuideTerm,
    MapAnchor,
    SignalAnchor,
    edge_weights,
    huber,
    largest_step,
)
from fetalt2prep.core.guided.unknowns import Coordinates, Maps
from fetalt2prep.core.signal import InversionRecovery, SpinEcho

from .conftest import T1W, T2W


def true_maps(thing) -> Maps:
    return Maps(*(torch.where(thing.mask, v, fill) for v, fill in (
        (thing.pd, 1e-3), (1 / thing.t1_s.clamp(min=1e-3), 1.0), (1 / thing.t2_s.clamp(min=1e-3), 1.0)
    )))  # fmt: skip


@pytest.mark.parametrize("te_s", [0.0, 0.1])
def test_coordinates_and_back(thing, te_s):
    maps = true_maps(thing)
    coordinates = Coordinates(te_s=te_s)
    back = coordinates.maps(coordinates.values(maps))
    for a, b in zip((maps.pd, maps.r1, maps.r2), (back.pd, back.r1, back.r2), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_without_t1_there_are_two_coordinates(thing):
    maps = true_maps(thing)
    values = Coordinates(with_r1=False).values(maps)
    assert values.shape[0] == 2
    assert float(Coordinates(with_r1=False).maps(values).r1.abs().max()) == 0.0


def test_the_true_maps_cost_nothing(thing):
    maps = true_maps(thing)
    inside = thing.mask.float()
    coarse = torch.stack([thing.see.forward(v) for v in (thing.pd, thing.t2_s, thing.t1_s)])
    models = [SpinEcho(te_s=0.05), SpinEcho(te_s=0.2)]
    silent = Maps(maps.pd, torch.zeros_like(maps.r1), maps.r2)
    images = torch.stack([thing.see.forward(inside * m(silent.pd, silent.r1, silent.r2)) for m in models])
    guide = GuideTerm(image=thing.signal(T1W), model=T1W, sigma=0.01, weight=inside)
    anchor = MapAnchor(maps=coarse, see=thing.see, sigma=torch.full_like(coarse, 0.02), mask=inside)
    signal = SignalAnchor(images=images, models=models, see=thing.see, sigma=0.01, mask=inside)
    assert float(guide(maps)) < 1e-3
    assert float(anchor(maps)) < 1e-2
    assert float(signal(silent)) < 1e-3
    wrong = Maps(1.1 * maps.pd, maps.r1, maps.r2)
    assert min(float(guide(wrong)), float(anchor(wrong))) > 100


def test_a_magnitude_guide_does_not_tell_the_sign(thing):
    maps, model = true_maps(thing), InversionRecovery(te_s=0.01, ti_s=0.5)
    signed = model(maps.pd, maps.r1, maps.r2)
    assert float(signed.min()) < -0.05
    term = GuideTerm(image=signed.abs(), model=model, sigma=0.01, weight=thing.mask.float())
    assert float(term(maps)) < 1e-6
    assert (
        float(GuideTerm(image=signed.abs(), model=model, sigma=0.01, weight=thing.mask.float(), magnitude=False)(maps))
        > 1
    )


def test_gradient_goes_back_through_the_coarse_view(thing):
    """Against finite differences, along a random direction, in single precision."""
    maps = true_maps(thing)
    images = torch.zeros(1, *thing.see.coarse)
    term = SignalAnchor(images=images, models=[T2W], see=thing.see, sigma=0.5, mask=thing.mask.float())
    pd = maps.pd.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(term(Maps(pd, maps.r1, maps.r2)), pd)
    way = torch.randn(pd.shape, generator=torch.Generator().manual_seed(0)) * thing.mask
    h = 1e-2
    ahead, behind = (float(term(Maps(maps.pd + s * h * way, maps.r1, maps.r2))) for s in (1, -1))
    assert float((gradient * way).sum()) == pytest.approx((ahead - behind) / (2 * h), rel=0.02)


def test_edge_weights_see_edges_and_no_gain(thing):
    guide = thing.signal(T2W)
    inside = thing.mask.float()
    weights = edge_weights([guide], [inside], inside, edge=0.1)
    torch.testing.assert_close(weights, edge_weights([37.0 * guide], [inside], inside, edge=0.1), atol=1e-5, rtol=0)
    step = torch.diff(guide, dim=0).abs()
    both = thing.mask[1:] & thing.mask[:-1]
    along = weights[0][:-1]
    assert float(along[both & (step < 1e-3)].min()) > 0.95
    assert float(along[both & (step > 0.5 * guide[thing.mask].median())].max()) < 0.01
    assert float(along[~both].max()) == 0.0  # across the border of the mask


def test_edge_prior_costs_what_the_maps_change(thing):
    flat = Maps(*(torch.full(thing.mask.shape, v) for v in (1.0, 1.0, 9.0)))
    ones = torch.ones((3, *thing.mask.shape))
    prior = EdgePrior(weight=ones, strength=(1.0, 1.0, 1.0))
    ramp = Maps(flat.pd, flat.r1, flat.r2 * torch.exp(0.1 * torch.arange(thing.mask.shape[0]))[:, None, None])
    n_steps = (thing.mask.shape[0] - 1) * thing.mask.shape[1] * thing.mask.shape[2]
    assert float(prior(ramp) - prior(flat)) == pytest.approx(0.1 * n_steps, rel=0.02)
    assert float(EdgePrior(weight=ones, strength=(1.0, 0.0, 1.0))(ramp) - prior(flat)) < 0.01 * n_steps


def test_huber_is_quadratic_then_linear():
    z = torch.tensor([0.5, -2.0, 10.0])
    torch.testing.assert_close(huber(z), torch.tensor([0.125, 2.0, 3.0 * (10.0 - 1.5)]))


def test_largest_step_by_hand():
    image = torch.tensor([[0.0, 1.0, 1.0], [0.0, 1.0, 5.0]])
    inside = torch.tensor([[True, True, True], [True, True, False]])
    torch.testing.assert_close(largest_step(image, inside), torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]]))
    torch.testing.assert_close(largest_step(image, inside | True)[1], torch.tensor([1.0, 4.0, 4.0]))


def test_an_uncertain_voxel_of_a_guide_counts_less(thing):
    maps, ones = true_maps(thing), thing.mask.float()
    image = thing.signal(T1W) + 0.01
    sigma = torch.full(image.shape, 0.01)
    even = GuideTerm(image=image, model=T1W, sigma=0.01, weight=ones)(maps)
    torch.testing.assert_close(GuideTerm(image=image, model=T1W, sigma=sigma, weight=ones)(maps), even)
    assert float(GuideTerm(image=image, model=T1W, sigma=2 * sigma, weight=ones)(maps)) == pytest.approx(
        float(even) / 4, rel=0.05
    )
