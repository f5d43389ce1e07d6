"""What is believed of tissue before a voxel is looked at."""

from __future__ import annotations

import pytest
import torch

from fetalt2prep.core.geometry import Grid
from fetalt2prep.core.recon.lattice import Lattice
from fetalt2prep.core.recon.penalty import decay_rate
from fetalt2prep.core.recon.priors import LocalDecay, TypicalDecay, density_prior, rate_edges, rate_prior
from fetalt2prep.core.recon.smooth_field import SmoothField

TYPICAL = TypicalDecay(log_s0=SmoothField.constant(0.5), fluid_excess=0.1, r2=4.0, first_signal=0.4)


def here(n: int) -> LocalDecay:
    """What is typical at n points."""
    return TYPICAL.at(torch.zeros(n, 3))


def test_density_prior_by_hand_and_only_where_it_is_bright():
    te_s = torch.tensor([0.1, 0.2])
    log_s0 = torch.tensor([0.5, 0.8, -7.0])
    log_signal = log_s0 - te_s[:, None] * 2.0
    bright = (torch.exp(log_signal[0]) / (0.6 * 0.4)) ** 4
    solid = (2.0 / 1.2) ** 4 / (1 + (2.0 / 1.2) ** 4)
    expected = bright / (1 + bright) * ((log_s0 - 0.5 - 0.1 * (1 - solid)) / 0.3) ** 2
    assert float(density_prior(log_signal, te_s, here(3))) == pytest.approx(float(expected.sum()), rel=1e-4)
    assert float(expected[2]) < 1e-6  # bone may have any density


def test_density_prior_moves_signal_between_s0_and_t2():
    """A point whose S0 is too high for its mean signal is told to decay more slowly."""
    te_s = torch.tensor([0.1, 0.2, 0.4])
    log_signal = (1.5 - te_s * 6.0)[:, None].requires_grad_()
    density_prior(log_signal, te_s, here(1)).backward()
    step = log_signal.detach() - 0.01 * log_signal.grad
    assert float(decay_rate(step, te_s)) < 6.0


def test_fluid_is_expected_to_be_denser_than_tissue():
    """Cerebrospinal fluid a tenth denser costs nothing; a mixture, whose S0 is below that of either, does."""
    te_s = torch.tensor([0.3, 0.4, 0.6])
    fluid = (0.6 - te_s * 0.3)[:, None]
    tissue = (0.5 - te_s * 4.0)[:, None]
    mixed = torch.log((torch.exp(fluid) + torch.exp(tissue)) / 2)
    cost = [float(density_prior(signal, te_s, here(1))) for signal in (fluid, mixed)]
    assert cost[0] < 1e-3
    assert cost[1] > 0.2


def test_what_is_typical_follows_coils_and_leaves_bone_out():
    """Tissue and fluid seen through a coil that is 30 % brighter on one side, and bone as dark as noise."""
    te_s = torch.tensor([0.1, 0.2])
    points = torch.rand(3000, 3, generator=torch.Generator().manual_seed(0)) * 80.0
    coil = 0.15 * (points[:, 0] - 40.0) / 40.0
    rate = torch.full((3000,), 4.0)
    rate[2000:] = 0.4
    log_s0 = 0.45 + coil + 0.2 * (rate < 1)
    log_signal = log_s0 - te_s[:, None] * rate
    log_signal[:, 1500:2000] = -9.0
    seen = TYPICAL.seen_in(log_signal, te_s, points)
    torch.testing.assert_close(seen.log_s0.at(points), 0.45 + coil, atol=0.03, rtol=0)
    assert seen.fluid_excess == pytest.approx(0.2, abs=0.02)
    assert TYPICAL.seen_in(log_signal[:, 1500:2000], te_s, points[1500:2000]) == TYPICAL


def test_rate_prior_by_hand():
    te_s = torch.tensor([0.1, 0.2])
    log_signal = -te_s[:, None] * torch.tensor([4.0, 7.0, 1.0])
    assert float(rate_prior(log_signal, te_s, here(3))) == pytest.approx(2.0, rel=1e-4)


def row_of_points(n: int, spacing_mm: float) -> Lattice:
    """n points along z, each the neighbour of the one before."""
    here = torch.arange(n)
    following = torch.stack((here, here, (here + 1).clamp(max=n - 1)))
    preceding = torch.stack((here, here, (here - 1).clamp(min=0)))
    return Lattice(Grid(origin_mm=(0.0, 0.0, 0.0), spacing_mm=spacing_mm, shape=(1, 1, n)), here, following, preceding)


def test_rate_edges_by_hand():
    """One step of 2 / s over 0.3 s of echo time, all of it bright: 0.6 times the face of a voxel."""
    te_s = torch.tensor([0.3, 0.4, 0.6])
    log_signal = 9.0 - te_s[:, None] * torch.tensor([3.0, 3.0, 5.0, 5.0])
    cost = float(rate_edges(log_signal, te_s, here(4), row_of_points(4, 2.0)))
    assert cost == pytest.approx(0.6 * 4.0, rel=2e-3)


def test_rate_edges_do_not_see_a_step_of_density_nor_of_darkness():
    te_s = torch.tensor([0.3, 0.4, 0.6])
    density = torch.tensor([9.0, 9.0, 9.5, 9.5]) - te_s[:, None] * 3.0
    dark = torch.tensor([9.0, 9.0, -3.0, -3.0]) - te_s[:, None] * torch.tensor([3.0, 3.0, 9.0, 1.0])
    for log_signal in (density, dark):
        assert float(rate_edges(log_signal, te_s, here(4), row_of_points(4, 2.0))) < 0.01
