"""The data terms against their definitions by samples; the filter that evens out k-space, and what it is worth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from fetalt2prep.core.coils import Sense
from fetalt2prep.core.fourier_op import MaskedFft, Nufft
from fetalt2prep.core.kt.balance import balance
from fetalt2prep.core.kt.data_term import PlainError, RelativeError
from fetalt2prep.core.kt.options import KtOptions
from fetalt2prep.core.kt.series_fit import fit_series
from fetalt2prep.core.operator import apply
from fetalt2prep.sim.dynamic_scan import DynamicOptions, simulate_dynamic


def test_the_plain_error_is_that_of_the_samples(cine: Any) -> None:
    series = (cine.truth + 0.05 * torch.randn(cine.truth.shape, generator=torch.Generator().manual_seed(0))).detach()
    leaf = series.clone().requires_grad_()
    expected = (apply(cine.sense, leaf) - cine.samples).abs().square().sum()
    expected.backward()
    assert leaf.grad is not None
    for at_once in (0, 3):
        value, gradient = PlainError(cine.sense, cine.samples, at_once)(series)
        assert float((value - expected).detach().abs() / expected.detach()) < 1e-4
        assert float((gradient - leaf.grad).norm() / leaf.grad.norm()) < 1e-4


def test_a_large_epsilon_makes_the_relative_error_plain(cine: Any) -> None:
    series = 0.9 * cine.truth
    relative, its_gradient = RelativeError(cine.sense, cine.samples, 1e8)(series)
    plain, gradient = PlainError(cine.sense, cine.samples)(series)
    assert float((relative - plain).abs() / plain) < 1e-3
    assert float((gradient - its_gradient).norm() / gradient.norm()) < 1e-3


def test_the_filter_turns_down_what_is_sampled_densely(cine: Any) -> None:
    shape = (32, 32)
    passed = torch.fft.fftshift(balance(cine.sense.fourier, shape).spectrum[0, 0])
    assert float(passed[0, 0]) > 0.9  # a corner, where no spoke comes
    assert float(passed[16, 16]) < 0.3  # the centre
    assert bool((passed > 0).all())
    even = balance(MaskedFft(torch.ones(2, *shape)), shape).spectrum
    assert torch.allclose(even, torch.full_like(even, 0.5**0.5), atol=1e-4)


def test_a_head_that_jumps_is_fitted_sooner_with_it() -> None:
    """The loss is the same function; after as many steps it is lower, and the frames are closer to the truth."""
    scan = simulate_dynamic(
        DynamicOptions(scene="fetal", n=32, n_frames=8, n_coils=4, readouts_per_frame=6, frame_s=0.05), 2
    )
    assert scan.k_per_pixel is not None
    sense = Sense(Nufft(scan.k_per_pixel[0].reshape(8, -1, 2), (32, 32)), scan.maps)
    options = KtOptions(n_steps=100)
    results = [
        fit_series(sense, scan.samples[0].flatten(2), replace(options, balanced=balanced)) for balanced in (True, False)
    ]
    with_filter, without = (sum(values[-1] for values in result.losses.values()) for result in results)
    errors = [float((result.frames.abs() - scan.truth[0].abs()).square().mean()) for result in results]
    assert with_filter < without
    assert errors[0] < 0.9 * errors[1]
