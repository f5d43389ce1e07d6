"""Echo times that measure T2 best, and the bias budget."""

from __future__ import annotations

import itertools

import pytest
import torch

from fetalt2prep.core.t2.budget import SessionFacts, bias_budget
from fetalt2prep.core.t2.protocol import ProtocolOptions, propose_echo_times, worst_precision

FETAL_S = (0.300, 0.397, 0.600)


def test_the_proposal_is_the_best_of_all() -> None:
    options = ProtocolOptions(te_range_s=(0.1, 0.6), gap_s=0.05)
    grid = [0.1 + 0.01 * k for k in range(51)]
    sets = [s for s in itertools.combinations(grid, 3) if min(s[1] - s[0], s[2] - s[1]) >= 0.05 - 1e-9]
    best = float(worst_precision(torch.tensor(sets, dtype=torch.float64), options).min())
    found = propose_echo_times(3, options)
    assert float(worst_precision(torch.tensor(found, dtype=torch.float64), options)) <= best * 1.001
    assert sorted(found) == list(found)
    assert min(b - a for a, b in itertools.pairwise(found)) >= 0.05 - 1e-6
    assert found[0] >= 0.1 - 1e-9
    assert found[-1] <= 0.6 + 1e-9


def test_more_echo_times_are_more_precise() -> None:
    options = ProtocolOptions()
    worst = [
        float(worst_precision(torch.tensor(propose_echo_times(n, options), dtype=torch.float64), options))
        for n in (2, 3, 4, 5)
    ]
    assert worst == sorted(worst, reverse=True)


def test_longer_t2_wants_longer_echo_times() -> None:
    short = propose_echo_times(2, ProtocolOptions(t2_range_s=(0.08, 0.12), te_range_s=(0.02, 0.7)))
    long = propose_echo_times(2, ProtocolOptions(t2_range_s=(0.3, 0.5), te_range_s=(0.02, 0.7)))
    assert long[1] > 2 * short[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"t2_range_s": (150.0, 350.0)}, "give seconds"), ({"gap_s": 0.0}, "gap_s"), ({"snr": -1.0}, "snr")],
)
def test_what_no_scanner_can_do_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ProtocolOptions(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("n_te", [1, 100])
def test_a_number_of_echo_times_that_does_not_fit(n_te: int) -> None:
    with pytest.raises(ValueError, match=f"{n_te} echo times; from 2 to"):
        propose_echo_times(n_te, ProtocolOptions())


def effect(name: str, **facts: object):  # type: ignore[no-untyped-def]
    budget = bias_budget(SessionFacts(te_s=FETAL_S, **facts), (0.15, 0.247))  # type: ignore[arg-type]
    return next(e for e in budget.effects if e.name == name)


def test_stimulated_echoes_as_published() -> None:
    """+7 to 8 % at 135 degrees and nominal B1; +9 to 12 % at 160 degrees with B1 0.8."""
    at_135 = effect("stimulated echoes", refocusing_deg=135.0, echo_spacing_s=0.005)
    assert at_135.low[1] == pytest.approx(0.075, abs=0.01)
    at_160 = effect("stimulated echoes", refocusing_deg=160.0, echo_spacing_s=0.005)
    assert at_160.high[1] == pytest.approx(0.105, abs=0.02)
    assert at_160.low[1] == pytest.approx(0.013, abs=0.005)
    unknown = effect("stimulated echoes")
    assert "not known" in unknown.because
    assert unknown.low[1] <= at_160.low[1]
    assert unknown.high[1] >= at_160.high[1]


def test_noise_floor_as_published() -> None:
    """Weighted log-linear, 150 ms: 1.32 at an SNR of 50, the mean over noisy voxels; mean magnitudes give less."""
    found = effect("noise floor", snr=50.0)
    assert 0.15 < found.high[0] < 0.35
    assert found.high[1] < 0.05
    assert effect("noise floor", snr=200.0).high[0] < 0.05
    assert effect("noise floor", snr=50.0, model="rician").high == (0.0, 0.0)


def test_fluid_as_published() -> None:
    assert effect("fluid in the voxel").high[1] == pytest.approx(0.22, abs=0.02)
    assert effect("fluid found", csf_share=0.10).high[1] > effect("fluid found", csf_share=0.05).high[1]


def test_misfit_grows_with_the_residual_and_goes_both_ways() -> None:
    small, large = (effect("motion and other misfit", residual_share=s) for s in (0.02, 0.06))
    assert large.high[0] == pytest.approx(3 * small.high[0])
    assert large.low[1] == pytest.approx(-large.high[1])


def test_what_the_estimator_models_is_no_bias() -> None:
    train = {"refocusing_deg": 135.0, "echo_spacing_s": 0.005}
    assert effect("stimulated echoes", model="epg-b1", **train).high == (0.0, 0.0)
    epg = effect("stimulated echoes", model="epg", **train)
    assert min(map(abs, (epg.low[1], epg.high[1]))) == pytest.approx(0.0, abs=1e-6)


def test_badly_chosen_echo_times_are_named() -> None:
    bad = bias_budget(SessionFacts(te_s=FETAL_S, snr=50.0), field_t=0.55)
    assert bad.ratio_to_best > 2
    assert any("300, 397, 600 ms suit tissue" in text and "0.55 T" in text for text in bad.warnings)
    good = bias_budget(SessionFacts(te_s=bad.best_te_s, snr=50.0, refocusing_deg=180.0))
    assert good.ratio_to_best == pytest.approx(1.0, abs=0.01)
    assert not any("suit tissue" in text for text in good.warnings)
    assert good.precision is not None
    assert bad.precision is not None
    assert max(good.precision) < max(bad.precision)


def test_two_echo_times_have_a_budget_too() -> None:
    budget = bias_budget(SessionFacts(te_s=(0.1, 0.3)))
    assert len(budget.best_te_s) == 2
    assert budget.precision is None
