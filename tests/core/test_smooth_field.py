"""A smooth function of space: fitted, evaluated, and harmless far away."""

from __future__ import annotations

import torch

from fetalt2prep.core.recon.smooth_field import SmoothField


def test_a_cubic_is_recovered_from_noise_whatever_the_weights():
    generator = torch.Generator().manual_seed(0)
    points = 30.0 + 60.0 * torch.rand(4000, 3, generator=generator)
    x, y, z = ((points - 60.0) / 30.0).unbind(1)
    true = 0.3 + 0.2 * x - 0.1 * y * z + 0.05 * z**3
    noisy = true + 0.05 * torch.randn(4000, generator=generator)
    field = SmoothField.fitted(points, noisy, 0.1 + torch.rand(4000, generator=generator))
    assert float((field.at(points) - true).abs().mean()) < 0.01


def test_a_point_without_weight_says_nothing():
    points = torch.rand(500, 3) * 50.0
    values = torch.full((500,), 0.7)
    values[::5] = 99.0
    weights = torch.ones(500)
    weights[::5] = 0.0
    torch.testing.assert_close(SmoothField.fitted(points, values, weights).at(points), torch.full((500,), 0.7))


def test_far_away_it_stays_what_it_was_at_the_border():
    points = torch.randn(500, 3, generator=torch.Generator().manual_seed(0)) * 10.0
    field = SmoothField.fitted(points, points[:, 0] ** 3 / 1000.0, torch.ones(500))
    far = field.at(torch.tensor([[1e5, 0.0, 0.0], [1e7, 0.0, 0.0]]))
    torch.testing.assert_close(far[0], far[1], rtol=1e-3, atol=0)
    assert float(far.abs().max()) < 1e3


def test_constant():
    assert SmoothField.constant(0.4).at(torch.randn(3, 3)).tolist() == torch.full((3,), 0.4).tolist()
