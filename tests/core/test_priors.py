"""What is believed of tissue before a voxel is looked at."""

from __future__ import annotations

import pytest
import torch

from fetalt2prep.core.geometry import Grid
from fetalt2prep.core.recon.lattice import Lattice
from fetalt2prep.core.recon.penalty import decay_rate
from fetalt2prep.core.recon.priors import TypicalDecay, density_prior, rate_edges, rate_prior

TYPICAL = TypicalDecay(log_s0=0.5, r2=4.0, first_signal=0.4)


def test_density_prior_by_hand_and_only_where_it_is_bright():
    te_s = torch.tensor([0.1, 0.2])
    log_s0 = torch.tensor([0.5, 0.8, -7.0])
    log_signal = log_s0 - te_s[:, None] * torch.tensor([2.0, 2.0, 2.0])
    bright = (torch.exp(log_signal[0]) / (0.6 * 0.4)) ** 4
    solid = (2.0 / 1.2) ** 4
    expected = bright / (1 + bright) * solid / (1 + solid) * torch.tensor([0.0, 1.0, 625.0])
    assert float(density_prior(log_signal, te_s, TYPICAL)) == pytest.approx(float(expected.sum()), rel=1e-4)
    assert float(expected[2]) < 1e-6  # bone may have any density


def test_density_prior_moves_signal_between_s0_and_t2():
    """A point whose S0 is too high for its mean signal is told to decay more slowly."""
    te_s = torch.tensor([0.1, 0.2, 0.4])
    log_signal = (1.5 - te_s * 6.0)[:, None].requires_grad_()
    density_prior(log_signal, te_s, TYPICAL).backward()
    step = log_signal.detach() - 0.01 * log_signal.grad
    assert float(decay_rate(step, te_s)) < 6.0


def test_fluid_may_be_denser_than_tissue():
    """Cerebrospinal fluid, 25 % denser: neither drawn to the density of tissue nor counted in its median."""
    te_s = torch.tensor([0.1, 0.2])
    rate = torch.tensor([4.0, 4.0, 0.5, 0.5, 0.5])
    log_s0 = torch.tensor([0.45, 0.55, 0.73, 0.73, 0.73])
    log_signal = log_s0 - te_s[:, None] * rate
    fluid = log_signal[:, 2:]
    as_tissue = (0.73 - te_s[:, None] * rate[:1]).expand(2, 3)
    assert float(density_prior(fluid, te_s, TYPICAL)) < 0.05 * float(density_prior(as_tissue, te_s, TYPICAL))
    assert TYPICAL.seen_in(log_signal, te_s).log_s0 < 0.6


def test_median_log_s0_leaves_the_dark_out():
    te_s = torch.tensor([0.1, 0.2])
    log_signal = torch.tensor([0.1, 0.2, 0.3, -9.0, -9.0, -9.0, -9.0]) - te_s[:, None] * 2.0
    assert TYPICAL.seen_in(log_signal, te_s).log_s0 == pytest.approx(0.2, abs=1e-5)
    assert TYPICAL.seen_in(log_signal[:, 3:], te_s) == TYPICAL


def test_rate_prior_by_hand():
    te_s = torch.tensor([0.1, 0.2])
    log_signal = -te_s[:, None] * torch.tensor([4.0, 7.0, 1.0])
    assert float(rate_prior(log_signal, te_s, TYPICAL)) == pytest.approx(2.0, rel=1e-4)


def row_of_points(n: int, spacing_mm: float) -> Lattice:
    """n points along z, each the neighbour of the one before."""
    here = torch.arange(n)
    following = torch.stack((here, here, (here + 1).clamp(max=n - 1)))
    return Lattice(Grid(origin_mm=(0.0, 0.0, 0.0), spacing_mm=spacing_mm, shape=(1, 1, n)), here, following)


def test_rate_edges_by_hand():
    """One step of 2 / s over 0.3 s of echo time, all of it bright: 0.6 times the face of a voxel."""
    te_s = torch.tensor([0.3, 0.4, 0.6])
    log_signal = 9.0 - te_s[:, None] * torch.tensor([3.0, 3.0, 5.0, 5.0])
    cost = float(rate_edges(log_signal, te_s, TYPICAL, row_of_points(4, 2.0)))
    assert cost == pytest.approx(0.6 * 4.0, rel=2e-3)


def test_rate_edges_do_not_see_a_step_of_density_nor_of_darkness():
    te_s = torch.tensor([0.3, 0.4, 0.6])
    density = torch.tensor([9.0, 9.0, 9.5, 9.5]) - te_s[:, None] * 3.0
    dark = torch.tensor([9.0, 9.0, -3.0, -3.0]) - te_s[:, None] * torch.tensor([3.0, 3.0, 9.0, 1.0])
    for log_signal in (density, dark):
        assert float(rate_edges(log_signal, te_s, TYPICAL, row_of_points(4, 2.0))) < 0.01
