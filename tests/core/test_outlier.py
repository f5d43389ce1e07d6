"""Robust weights."""

from __future__ import annotations

import pytest
import torch

from fetalt2prep.core.outlier import cauchy_weights, robust_sigma, slice_weights


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


def test_when_most_of_an_echo_would_fall_the_model_is_wrong_and_not_the_slices():
    rms, echo = session()
    mine = torch.nonzero(echo == 1)[:, 0]
    rms[mine] = 0.01
    rms[mine[5:]] = 0.5  # seven of twelve
    guarded = slice_weights(rms, echo)[mine]
    few = rms.clone()
    few[mine[5:10]] = 0.01  # two of twelve
    found = slice_weights(few, echo)[mine]
    assert bool((found[10:] < 0.1).all())
    assert bool((found[:10] == 1).all())
    assert bool((guarded == 1).all())
