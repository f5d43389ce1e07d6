"""Terms of the loss against their definitions; encodings against theirs."""

from __future__ import annotations

import pytest
import torch

from fetalt2prep.core.kt.encoding import SpaceTimePyramid, cubic, linear
from fetalt2prep.core.kt.field import axes_of, finer_in_time, make_field
from fetalt2prep.core.kt.options import FIELDS, KtOptions
from fetalt2prep.core.kt.series_fit import awake
from fetalt2prep.core.kt.terms import (
    ROUND,
    nuclear_norm,
    relative_l2,
    spatial_variation,
    temporal_variation,
)


def series(n_frames: int = 5, n: int = 6) -> torch.Tensor:
    return torch.randn(n_frames, n, n, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))


def test_nuclear_norm_is_that_of_what_moves() -> None:
    x = series()
    moving = (x - x.mean(0)).flatten(1)
    assert float(nuclear_norm(x)) == pytest.approx(float(torch.linalg.matrix_norm(moving, "nuc")), rel=1e-3)


def test_nuclear_norm_of_what_does_not_move_has_a_finite_gradient() -> None:
    for still in (torch.zeros(4, 3, 3), torch.ones(4, 3, 3)):
        leaf = still.to(torch.complex64).requires_grad_()
        nuclear_norm(leaf).backward()
        assert leaf.grad is not None
        assert float(leaf.grad.abs().max()) < 1e-3


def test_gradients_agree_with_differences() -> None:
    for term in (nuclear_norm, temporal_variation, spatial_variation):
        assert torch.autograd.gradcheck(term, (series(4, 3).requires_grad_(),), eps=1e-6, atol=1e-4)


def test_what_stands_still_has_no_temporal_variation() -> None:
    still = series(1).expand(5, 6, 6)
    assert float(temporal_variation(still)) == pytest.approx(4 * 36 * ROUND)
    step = torch.zeros(2, 1, 1, dtype=torch.complex128)
    step[1] = 3 + 4j
    assert float(temporal_variation(step)) == pytest.approx(5.0, rel=1e-4)


def test_variation_of_an_edge_is_its_height_times_its_length() -> None:
    image = torch.zeros(1, 4, 6, dtype=torch.complex128)
    image[:, :, 3:] = 2.0
    assert float(spatial_variation(image)) == pytest.approx(8.0, abs=24 * ROUND)


def test_relative_error_weights_by_the_prediction_and_not_through_it() -> None:
    k = torch.tensor([2.0 + 0j], dtype=torch.complex128, requires_grad=True)
    y = torch.tensor([3.0 + 0j], dtype=torch.complex128)
    value = relative_l2(k, y, 0.5)
    value.backward()
    assert float(value.detach()) == pytest.approx(1 / 4.5)
    assert k.grad is not None
    assert complex(k.grad[0]) == pytest.approx(-2 / 4.5)  # through the weight, too, it would be another


def test_levels_wake_one_by_one() -> None:
    options = KtOptions(n_steps=1600, coarse_to_fine=1.0)
    assert [awake(i, options, 16) for i in (0, 99, 100, 799, 800, 1599)] == [1, 1, 2, 8, 9, 16]
    assert awake(0, KtOptions(coarse_to_fine=0.0), 5) == 5


def test_weights_of_interpolation_sum_to_one_and_reproduce_a_line() -> None:
    at = torch.tensor([0.0, 0.3, 2.0, 3.7])
    assert torch.allclose(linear(at, 5) @ torch.arange(5.0), at)
    assert torch.allclose(cubic(at, 7).sum(1), torch.ones(4))
    assert torch.allclose(cubic(at, 7) @ torch.arange(-1.0, 6.0), at, atol=1e-6)


def test_a_pyramid_is_the_sum_of_its_levels_that_are_awake() -> None:
    pyramid = SpaceTimePyramid((4, 5, 5), ((2.0, 2.0), (1.0, 1.0)), 1)
    with torch.no_grad():
        pyramid.levels[0].fill_(2.0)
        pyramid.levels[1].fill_(3.0)
    axes = axes_of((4, 5, 5))
    assert torch.allclose(pyramid(axes, 1), torch.full((4, 5, 5, 1), 2.0))
    assert torch.allclose(pyramid(axes, 2), torch.full((4, 5, 5, 1), 5.0))


@pytest.mark.parametrize("kind", FIELDS)
def test_a_field_starts_still_and_answers_alike_on_both_rates(kind: str) -> None:
    torch.manual_seed(0)
    still = series(1, 8)[0].to(torch.complex64)
    field = make_field((4, 8, 8), KtOptions(field=kind), still)
    with torch.no_grad():
        assert torch.allclose(field(axes_of((4, 8, 8))), still.expand(4, 8, 8), atol=0.2)
        for parameter in field.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        twice = field(finer_in_time((4, 8, 8), 2))
        assert twice.shape == (7, 8, 8)
        assert torch.allclose(twice[::2], field(axes_of((4, 8, 8))), atol=1e-5)
        assert float((twice[1::2] - twice[:-1:2]).abs().max()) > 0


def test_a_pyramid_answers_between_pixels_too() -> None:
    torch.manual_seed(0)
    pyramid = SpaceTimePyramid((4, 5, 5), ((2.0, 2.0), (1.0, 1.0)), 1)
    with torch.no_grad():
        for level in pyramid.levels:
            level.normal_()
        t, y, x = axes_of((4, 5, 5))
        at_pixels = pyramid((t, y, x), 2)
        halfway = pyramid((t, y - 0.5, x), 2)  # as many places as there are pixels, and other ones
        assert torch.allclose(halfway[:, 1:], (at_pixels[:, 1:] + at_pixels[:, :-1]) / 2, atol=1e-5)
        halfway = pyramid((t, y, x - 0.5), 2)
        assert torch.allclose(halfway[:, :, 1:], (at_pixels[:, :, 1:] + at_pixels[:, :, :-1]) / 2, atol=1e-5)


@pytest.mark.parametrize("kind", FIELDS)
def test_where_no_coil_sees_a_field_is_silent(kind: str) -> None:
    seen = torch.ones(8, 8)
    seen[:, 5:] = 0.0
    field = make_field((4, 8, 8), KtOptions(field=kind), series(1, 8)[0].to(torch.complex64), seen)
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.add_(0.05)
        image = field(axes_of((4, 8, 8)))
    assert float(image[..., 5:].abs().max()) == 0.0
    assert float(image[..., :5].abs().min()) > 0.0
