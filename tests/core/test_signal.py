"""Signal models against their limits, and MPRAGE against pulse-by-pulse magnetisation."""

from __future__ import annotations

import math

import pytest
import torch

from fetalt2prep.core.signal import InversionRecovery, Mprage, SpinEcho, SpoiledGradientEcho, monoexponential

PD, R1, R2 = (
    torch.tensor(values, dtype=torch.float64) for values in ([1.0, 0.8, 2.0], [1.2, 0.7, 0.25], [9.0, 5.0, 0.5])
)
MPRAGE = Mprage(te_s=0.003, ti_s=0.9, tr_s=2.3, flip_deg=8.0, spacing_s=0.0075, n_pulses=160)
MODELS = [
    SpinEcho(te_s=0.1, tr_s=3.0),
    SpinEcho(te_s=0.1),
    InversionRecovery(te_s=0.1, ti_s=2.2, tr_s=9.0),
    InversionRecovery(te_s=0.01, ti_s=0.4),
    SpoiledGradientEcho(te_s=0.003, tr_s=0.015, flip_deg=25.0),
    MPRAGE,
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_gradients_are_those_of_finite_differences(model):
    inputs = tuple(value.clone().requires_grad_() for value in (PD, R1, R2))
    assert torch.autograd.gradcheck(model, inputs)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_signal_is_proportional_to_density_and_zero_without(model):
    torch.testing.assert_close(model(3 * PD, R1, R2), 3 * model(PD, R1, R2))
    assert float(model(0 * PD, R1, R2).abs().max()) == 0.0


def test_spin_echo_without_echo_time_and_at_long_tr_is_density():
    torch.testing.assert_close(SpinEcho(te_s=0.0)(PD, R1, R2), PD)
    torch.testing.assert_close(SpinEcho(te_s=0.0, tr_s=200.0)(PD, R1, R2), PD)


def test_spin_echo_at_long_tr_is_the_monoexponential():
    torch.testing.assert_close(
        SpinEcho(te_s=0.1)(PD, R1, R2), monoexponential(PD, 1 / R2, torch.tensor([0.1], dtype=torch.float64))[0]
    )


def test_inversion_recovery_is_null_at_ln2_t1_and_minus_density_at_no_ti():
    null = InversionRecovery(te_s=0.0, ti_s=math.log(2) / float(R1[0]))
    assert float(null(PD, R1, R2)[0]) == pytest.approx(0.0, abs=1e-12)
    torch.testing.assert_close(InversionRecovery(te_s=0.0, ti_s=1e-9)(PD, R1, R2), -PD, atol=1e-7, rtol=0)


def test_spoiled_gradient_echo_peaks_at_the_ernst_angle():
    tr_s = 0.02
    ernst = math.degrees(math.acos(math.exp(-tr_s * float(R1[0]))))
    signal = [
        float(SpoiledGradientEcho(te_s=0.0, tr_s=tr_s, flip_deg=a)(PD, R1, R2)[0])
        for a in (ernst - 1, ernst, ernst + 1)
    ]
    assert signal[1] > max(signal[0], signal[2])
    sixty = SpoiledGradientEcho(te_s=0.0, tr_s=100.0, flip_deg=60.0)
    torch.testing.assert_close(sixty(PD, R1, R2), PD * math.sin(math.pi / 3))


def test_mprage_is_the_steady_state_of_its_pulses():
    before, after = MPRAGE.rests_s
    cosine = math.cos(math.radians(MPRAGE.flip_deg))
    m, shown = PD.clone(), PD.clone()

    def relax(m: torch.Tensor, time_s: float) -> torch.Tensor:
        return PD + (m - PD) * torch.exp(-time_s * R1)

    for _ in range(30):  # repetitions until steady
        m = relax(-m, before)
        for pulse in range(MPRAGE.n_pulses):
            if pulse == MPRAGE.n_pulses // 2:
                shown = m.clone()
            m = relax(m * cosine, MPRAGE.spacing_s)
        m = relax(m, after)
    expected = shown * math.sin(math.radians(MPRAGE.flip_deg)) * torch.exp(-MPRAGE.te_s * R2)
    torch.testing.assert_close(MPRAGE(PD, R1, R2), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SpinEcho(te_s=-0.1), "te_s is -0.1"),
        (lambda: SpinEcho(te_s=0.1, tr_s=0.0), "tr_s is 0.0"),
        (lambda: SpinEcho(te_s=math.nan), "te_s is nan"),
        (lambda: InversionRecovery(te_s=0.1, ti_s=3.0, tr_s=2.0), "TI must be shorter"),
        (lambda: Mprage(te_s=0.0, ti_s=0.5, tr_s=1.0, flip_deg=8, spacing_s=0.01, n_pulses=160), "do not fit into TR"),
        (lambda: Mprage(te_s=0.0, ti_s=0.9, tr_s=2.3, flip_deg=90, spacing_s=0.01, n_pulses=100), "below 90"),
    ],
)  # fmt: skip
def test_impossible_sequences_are_refused_by_name_and_value(make, words):
    with pytest.raises(ValueError, match=words):
        make()
