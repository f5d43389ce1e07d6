"""The factor of the receive coils, which stays in the scanner."""

from __future__ import annotations

import numpy as np
import torch

from fetalt2prep.core.recon.coil import coil_factor
from fetalt2prep.core.recon.slices import Slices, flatten


def session(phantom) -> tuple[Slices, torch.Tensor]:
    slices = flatten(phantom.session((0.08, 0.2), motion=0.0))
    arm = slices.points_mm - torch.as_tensor(phantom.centre_mm, dtype=torch.float32)
    return slices, torch.exp(0.012 * arm[:, 0] - 0.0008 * arm[:, 1] ** 2)


def test_a_smooth_factor_is_found_up_to_its_level(phantom):
    slices, true = session(phantom)
    predicted, weight = slices.values / true, torch.ones_like(slices.values)
    factor = torch.ones_like(slices.values)
    for _ in range(6):
        factor = coil_factor(slices, factor, predicted, weight)
    error = (factor / true).log()
    assert float(true.log().std()) > 0.05
    assert float((error - error.mean()).abs().max()) < 0.02  # of 0.3; the ridge keeps a little
    assert abs(float(factor.log().mean())) < 1e-5


def test_a_level_of_an_echo_is_not_the_coils(phantom):
    """Worth: echoes that are wrong by a factor each leave the coils alone, or T2 would go into them."""
    slices, _ = session(phantom)
    level = torch.tensor([1.2, 0.8])[slices.echo_idx]
    factor = coil_factor(slices, torch.ones_like(level), slices.values / level, torch.ones_like(level))
    assert float(factor.log().abs().max()) < 0.03


def test_pixels_without_weight_do_not_count(phantom):
    slices, true = session(phantom)
    weight = torch.ones_like(slices.values)
    weight[slices.slice_idx == 4] = 0.0
    predicted = slices.values / true
    predicted = torch.where(slices.slice_idx == 4, 3.0 * predicted, predicted)
    factor = torch.ones_like(slices.values)
    for _ in range(6):
        factor = coil_factor(slices, factor, predicted, weight)
    error = (factor / true).log()
    assert np.ptp(error.numpy()) < 0.02
