"""The decay penalty."""

from __future__ import annotations

import pytest
import torch

from fetalt2prep.core.recon.penalty import alpha_rule, decay_penalty, decay_projector, decay_rate

ECHO_TIMES = [[0.08, 0.14, 0.26], [0.05, 0.1, 0.2, 0.4], [0.08, 0.08, 0.2, 0.3, 0.31]]


def decays(te_s: torch.Tensor, n: int = 50) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    log_s0 = torch.randn(n, generator=generator)
    r2 = 1 + 12 * torch.rand(n, generator=generator)
    return log_s0 - te_s[:, None] * r2


@pytest.mark.parametrize("te", ECHO_TIMES)
def test_projector_identities(te):
    te_s = torch.tensor(te)
    a = decay_projector(te_s).double()
    torch.testing.assert_close(a, a.T, atol=1e-6, rtol=0)
    torch.testing.assert_close(a @ a, -a, atol=1e-6, rtol=0)
    assert float((a @ torch.ones(len(te), dtype=torch.float64)).abs().max()) < 1e-6
    assert float((a @ te_s.double()).abs().max()) < 1e-6
    assert float(a.trace()) == pytest.approx(2 - len(te), abs=1e-5)


def test_projector_by_hand():
    """Three equidistant echoes: the misfit is along (1, -2, 1) / sqrt(6)."""
    misfit = torch.tensor([1.0, -2.0, 1.0])
    torch.testing.assert_close(decay_projector(torch.tensor([0.1, 0.2, 0.3])), -torch.outer(misfit, misfit) / 6)


def test_the_unit_of_te_does_not_matter():
    te_s = torch.tensor(ECHO_TIMES[0])
    torch.testing.assert_close(decay_projector(te_s), decay_projector(1000 * te_s), atol=1e-6, rtol=0)


@pytest.mark.parametrize("te", [[0.08, 0.2], [0.1]])
def test_two_echo_times_or_one_cost_nothing(te):
    te_s = torch.tensor(te)
    a = decay_projector(te_s)
    assert a.shape == (len(te), len(te))
    assert float(decay_penalty(torch.randn(len(te), 20, generator=torch.Generator().manual_seed(0)), a)) < 1e-10


@pytest.mark.parametrize("te", ECHO_TIMES)
def test_exact_decays_cost_nothing_and_a_gain_changes_nothing(te):
    te_s = torch.tensor(te)
    a = decay_projector(te_s)
    exact = decays(te_s)
    assert float(decay_penalty(exact, a)) < 1e-8
    bent = exact + 0.3 * torch.randn(exact.shape, generator=torch.Generator().manual_seed(1))
    cost = float(decay_penalty(bent, a))
    assert cost > 1.0
    assert float(decay_penalty(bent + 2.5, a)) == pytest.approx(cost, rel=1e-4)


def test_decay_rate_of_exact_decays_and_of_one_echo():
    te_s = torch.tensor(ECHO_TIMES[1])
    r2 = torch.tensor([0.45, 3.0, 12.0])
    torch.testing.assert_close(decay_rate(1.7 - te_s[:, None] * r2, te_s), r2, atol=1e-4, rtol=1e-4)
    assert decay_rate(torch.ones(1, 4), torch.tensor([0.1])).tolist() == [0.0] * 4


def test_alpha_falls_with_stacks_per_echo_time():
    values = [alpha_rule(n_stacks, 3) for n_stacks in (1, 3, 6, 9, 12, 30)]
    assert values == sorted(values, reverse=True)
    assert alpha_rule(9, 3) == pytest.approx(0.3)
    assert alpha_rule(3, 3) == pytest.approx(2.7)
    assert alpha_rule(12, 4) == pytest.approx(0.3)
