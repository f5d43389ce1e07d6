"""Slice gains."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fetalt2prep.core.recon.gains import slice_gains
from fetalt2prep.core.recon.slices import Slices, flatten


@pytest.fixture(scope="module")
def slices(phantom) -> Slices:
    return flatten([phantom.stack(te, plane) for te in (0.08, 0.2) for plane in ("axial", "coronal")])


def mean_per_echo(slices: Slices, gains: torch.Tensor, trusted: torch.Tensor) -> list[float]:
    mass = slices.sum_per_slice(torch.ones_like(slices.values)) * trusted
    return [
        float((gains * mass)[slices.echo_of == echo].sum() / mass[slices.echo_of == echo].sum())
        for echo in range(len(slices.te_s))
    ]


def test_known_gains_come_back_with_mean_one_in_each_echo(slices):
    generator = torch.Generator().manual_seed(0)
    true = 1 + 0.1 * torch.randn(slices.n_slices, generator=generator)
    seen = replace(slices, values=slices.values * true[slices.slice_idx])
    ones = torch.ones_like(slices.values)
    gains = slice_gains(seen, slices.values, ones, torch.ones(slices.n_slices))
    assert mean_per_echo(slices, gains, torch.ones(slices.n_slices)) == pytest.approx([1.0, 1.0], abs=1e-5)
    big = slices.sum_per_slice(slices.values.square()) > 8
    for echo in (0, 1):
        mine = big & (slices.echo_of == echo)
        ratio = gains[mine] / true[mine]
        assert float((ratio / ratio.mean() - 1).abs().max()) < 0.02


def test_a_gain_of_a_whole_echo_is_not_a_gain_of_its_slices(slices):
    """An echo that is 20 % brighter than predicted keeps gains of 1: gains cannot bend the decay."""
    seen = replace(slices, values=torch.where(slices.echo_idx == 1, 1.2, 1.0) * slices.values)
    gains = slice_gains(seen, slices.values, torch.ones_like(slices.values), torch.ones(slices.n_slices))
    big = slices.sum_per_slice(slices.values.square()) > 8
    assert float((gains[big] - 1).abs().max()) < 0.02


def test_a_void_slice_does_not_brighten_the_others(slices):
    void = int(slices.sum_per_slice(torch.ones_like(slices.values)).argmax())
    trusted = torch.ones(slices.n_slices)
    trusted[void] = 0.0
    values = torch.where(slices.slice_idx == void, 0.05 * slices.values, slices.values)
    weights = trusted[slices.slice_idx]
    gains = slice_gains(replace(slices, values=values), slices.values, weights, trusted)
    others = torch.arange(slices.n_slices) != void
    assert float((gains[others] - 1).abs().max()) < 1e-4
    assert mean_per_echo(slices, gains, trusted) == pytest.approx([1.0, 1.0], abs=1e-5)


def test_gains_stay_in_range(slices):
    values = slices.values.clone()
    values[slices.slice_idx == 4] *= 50
    gains = slice_gains(
        replace(slices, values=values), slices.values, torch.ones_like(values), torch.ones(slices.n_slices)
    )
    assert float(gains.max() / gains.min()) <= 4.0 + 1e-4
    assert bool(torch.isfinite(gains).all())
