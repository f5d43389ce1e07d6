"""Robust weights."""

from __future__ import annotations

import pytest
import torch

from fetalt2prep.core.outlier import LOST, MOST_LOST, cauchy_weights, robust_sigma, slice_weights


def session(n_slices: int = 12, n_echoes: int = 2, level: float = 0.03, spread: float = 0.003, seed: int = 0):
    """RMS residual and echo of every slice."""
    generator = torch.Generator().manual_seed(seed)
    rms = level + spread * torch.randn(n_slices * n_echoes, generator=generator)
    return rms, torch.arange(n_echoes).repeat(n_slices)


def test_robust_sigma_is_that_of_the_bulk():
    noise = 0.03 * torch.randn(20000, generator=torch.Generator().manual_seed(0))
    assert robust_sigma(noise) == pytest.approx(0.03, rel=0.03)
    noise[:1000] = 5.0
    assert robust_sigma(noise) == pytest.approx(0.03, rel=0.1)
    assert robust_sigma(torch.zeros(5)) > 0


def test_cauchy_weight_by_hand():
    weights = cauchy_weights(torch.tensor([0.0, 0.2, -0.2, 0.6]), 0.1)
    assert weights.tolist() == pytest.approx([1.0, 0.5, 0.5, 0.1])


def test_ordinary_slices_keep_their_weight():
    rms, echo = session()
    assert float(slice_weights(rms, echo).min()) > 0.8


def test_slices_better_than_the_rest_keep_weight_one():
    rms, echo = session()
    rms[4] = 0.001
    assert float(slice_weights(rms, echo)[4]) == 1.0


def test_a_void_slice_is_set_aside_in_its_own_echo_only():
    rms, echo = session()
    rms[6] = 0.4
    weights = slice_weights(rms, echo)
    assert float(weights[6]) < 0.01
    assert float(weights[torch.arange(len(rms)) != 6].min()) > 0.8


def test_in_a_quiet_session_nothing_is_an_outlier():
    """Residuals far below ``floor`` of the signal scale, one of them several times the rest."""
    rms, echo = session(level=0.001, spread=0.0001)
    rms[3] = 0.006
    assert float(slice_weights(rms, echo, floor=0.02).min()) > 0.9


def test_slices_without_pixels_count_for_nothing():
    rms, echo = session()
    with_void = torch.cat((rms, torch.zeros(20)))
    weights = slice_weights(with_void, torch.cat((echo, torch.zeros(20, dtype=torch.long))))
    torch.testing.assert_close(weights[: len(rms)], slice_weights(rms, echo))
    assert bool((weights[len(rms) :] == 1).all())


def test_a_third_of_an_echo_may_be_lost_and_no_more():
    rms, echo = session(n_slices=20)
    mine = torch.nonzero(echo == 1)[:, 0]
    for n_bad, n_lost in ((5, 5), (7, 7), (9, 7)):
        bad = rms.clone()
        bad[mine[:n_bad]] = torch.linspace(0.4, 0.5, n_bad)
        found = slice_weights(bad, echo)
        assert int((found[mine] < LOST - 1e-5).sum()) == n_lost <= MOST_LOST * 20
        assert float(found[mine[n_bad:]].min()) > 0.8, "the good ones are not touched"
        torch.testing.assert_close(found[echo == 0], slice_weights(rms, echo)[echo == 0])


def test_when_most_of_an_echo_is_bad_the_model_is_wrong_and_not_the_slices():
    rms, echo = session()
    mine = torch.nonzero(echo == 1)[:, 0]
    rms[mine] = 0.01
    rms[mine[5:]] = 0.5  # seven of twelve: the median is theirs
    assert bool((slice_weights(rms, echo)[mine] == 1).all())


def test_weights_come_from_the_residuals_at_hand_alone():
    """No cascade: weights of a round never enter those of the next, so a slice comes back when it fits again."""
    rms, echo = session()
    bad = rms.clone()
    bad[6] = 0.4
    assert float(slice_weights(bad, echo)[6]) < LOST
    torch.testing.assert_close(slice_weights(rms, echo), slice_weights(rms.clone(), echo))
    assert float(slice_weights(rms, echo)[6]) > 0.8
