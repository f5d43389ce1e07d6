"""Layout of a train, its basis, and what a train does to a picture and to T2."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fetalt2prep.core.epg import echo_train, refocusing_train
from fetalt2prep.sim.echo_train import EchoTrain, TrainBasis, plan_train, train_basis
from fetalt2prep.sim.tissue import Tissue, read_tissues

TISSUES = [tissue for tissue in read_tissues(0.55).values() if tissue.t2_s > 0.2]


def basis_of(train: EchoTrain, te_s: float, tissues: list[Tissue] = TISSUES) -> TrainBasis:
    t1_s, t2_s = (np.array([getattr(tissue, name) for tissue in tissues]) for name in ("t1_s", "t2_s"))
    return train_basis(plan_train(train, te_s, 1.48), train.refocusing_deg, t1_s, t2_s, 0.25, (0.9, 1.1))


def test_train_by_hand() -> None:
    """320 mm of 2 mm lines are 160; at 5/8 Fourier 20 lie before the centre, 10 echoes of 2 lines; 40 echoes after."""
    train = EchoTrain(partial_fourier=0.625, field_of_view_mm=320.0, acceleration=2.0, spacing_s=0.005)
    plan = plan_train(train, 0.300, 2.0)
    assert (plan.centre, plan.first_used, plan.n_echoes) == (59, 49, 100)  # from 0: the 60th echo is at 300 ms
    assert plan.spacing_s == pytest.approx(0.005)
    # An image of 16 such pixels sees every tenth line; the train reaches line 10 five echoes after the centre.
    echoes = plan.echo_of_line(16, 2.0)
    assert echoes.tolist() == [99, 94, 89, 84, 79, 74, 49, 54, 59, 64, 69, 74, 79, 84, 89, 94]
    # lines -3 to -8 were not acquired (before the first echo used) and mirror lines 3 to 8; -2 and -1 were


def test_spacing_adapts_so_that_an_echo_falls_on_the_echo_time() -> None:
    plan = plan_train(EchoTrain(), 0.397, 1.48)
    assert plan.spacing_s * (plan.centre + 1) == pytest.approx(0.397)
    assert plan.spacing_s == pytest.approx(0.005, rel=0.01)


def test_echo_times_that_the_train_does_not_allow_are_refused() -> None:
    full = EchoTrain(partial_fourier=1.0, acceleration=1.0)
    with pytest.raises(ValueError, match=r"echo time is 0\.2 s; 108 echoes .* the shortest is 0\.545 s"):
        plan_train(full, 0.200, 1.48)
    assert plan_train(full, 0.545, 1.48).first_used == 0  # the shortest that the message names does work
    with pytest.raises(ValueError, match=r"needs 174 echoes 0\.005 s apart, and the train has 100"):
        plan_train(EchoTrain(length=100), 0.600, 1.48)
    assert plan_train(EchoTrain(length=174), 0.600, 1.48).n_echoes == 174


@pytest.mark.parametrize("te_s", [0.300, 0.397, 0.600])
def test_basis_holds_the_train_of_every_brain_tissue(te_s: float) -> None:
    """Against extended phase graphs at values between the nodes: 0.1 % at the centre, 2 % of it along the train."""
    basis = basis_of(EchoTrain(), te_s)
    for k, tissue in enumerate(TISSUES):
        for factor, b1 in ((1.03, 0.97), (0.83, 1.05), (1.0, 1.0)):
            t1_s, t2_s, field = (
                torch.tensor([v], dtype=torch.float64) for v in (tissue.t1_s, tissue.t2_s * factor, b1)
            )
            angles = refocusing_train(basis.plan.n_echoes, math.radians(160.0))
            exact = echo_train(t1_s, t2_s, basis.plan.spacing_s, angles, b1=field)[basis.plan.first_used :, 0].numpy()
            maps = basis.maps(np.array([k]), np.array([tissue.t2_s * factor], np.float32), np.array([b1], np.float32))
            found = (basis.functions.T @ maps)[basis.plan.first_used :, 0]
            centre = exact[basis.plan.centre - basis.plan.first_used]
            assert np.abs(found - exact).max() < 0.02 * centre, tissue.name
            assert maps[0, 0] == pytest.approx(centre, rel=1e-3), tissue.name


def test_contrast_lies_in_the_first_function_alone() -> None:
    basis = basis_of(EchoTrain(), 0.400)
    assert basis.functions[:, basis.plan.centre] == pytest.approx([1.0, 0.0, 0.0], abs=1e-9)


def test_half_turns_give_plain_decay_and_blur_by_hand() -> None:
    """At 180 deg the lines of a tissue are weighted with exp(-(t - TE) / T2), t the time of the line's echo."""
    tissue = TISSUES[0]
    basis = basis_of(EchoTrain(refocusing_deg=180.0), 0.300, [tissue])
    maps = basis.maps(np.array([0]), np.array([tissue.t2_s], np.float32), None)
    assert maps[0, 0] == pytest.approx(math.exp(-0.300 / tissue.t2_s), rel=1e-4)
    lines = basis.line_weights(64, 1.48)
    late = (basis.plan.echo_of_line(64, 1.48) - basis.plan.centre) * basis.plan.spacing_s
    assert lines.T @ maps[:, 0] == pytest.approx(np.exp(-(0.300 + late) / tissue.t2_s), rel=2e-3)


@pytest.mark.parametrize(
    ("degrees", "low", "high"), [(180.0, -0.001, 0.001), (160.0, 0.009, 0.018), (135.0, 0.06, 0.085)]
)
def test_log_linear_t2_has_the_known_bias(degrees: float, low: float, high: float) -> None:
    te_s = np.array([0.300, 0.397, 0.600])
    white, grey = TISSUES[0], next(tissue for tissue in TISSUES if tissue.name == "cortical_grey")
    for tissue in (white, grey):
        signal = [
            basis_of(EchoTrain(refocusing_deg=degrees), te, [tissue]).maps(
                np.array([0]), np.array([tissue.t2_s], np.float32), np.ones(1, np.float32)
            )[0, 0]
            for te in te_s
        ]
        t2_s = -1.0 / np.polyfit(te_s, np.log(signal), 1)[0]
        assert low < t2_s / tissue.t2_s - 1.0 < high, tissue.name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spacing_s": 0.0}, "spacing_s is 0"),
        ({"partial_fourier": 0.5}, "partial_fourier is 0.5"),
        ({"partial_fourier": 1.1}, "partial_fourier is 1.1"),
        ({"refocusing_deg": 200.0}, "refocusing_deg is 200"),
        ({"length": 0}, "length is 0"),
        ({"b1_sd": -0.1}, "b1_sd is -0.1"),
        ({"spacing": 5.0}, "unknown option 'spacing'; known options: spacing_s"),
    ],
)
def test_impossible_trains_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EchoTrain.from_mapping(change)
