"""Whole sessions with an echo train, without motion, with zero filling, with recorded motion."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from fetalt2prep.sim import Case, CaseOptions, simulate_case
from fetalt2prep.sim.echo_train import EchoTrain
from fetalt2prep.sim.phantom import Label
from fetalt2prep.sim.truth import loglinear_t2


def test_an_echo_train_changes_the_signal_and_no_draw(small_case: Case, small_options: CaseOptions) -> None:
    """The same head, motion, voids, gains and masks; echoes of a longer apparent T2, and the true T2 as before."""
    case = simulate_case(replace(small_options, echo_train=EchoTrain(refocusing_deg=135.0, b1_sd=0.0)), 3)
    for name, values in small_case.slices.items():
        assert np.array_equal(values, case.slices[name]), name
    for one, two in zip(small_case.stacks, case.stacks, strict=True):
        assert np.array_equal(one.mask, two.mask)
    assert small_case.truth.t2_s is not None
    assert case.truth.t2_s is not None
    assert np.array_equal(small_case.truth.t2_s, case.truth.t2_s, equal_nan=True)
    white = ndimage.binary_erosion(case.truth.labels == Label.WHITE_MATTER)
    bias = loglinear_t2(case.truth.echoes, case.truth.te_s)[white] / case.truth.t2_s[white] - 1.0
    assert 0.06 < np.median(bias) < 0.085
    echoes = case.record["echoes"]
    assert isinstance(echoes, list)
    assert [echo["te_s"] for echo in echoes] == pytest.approx([0.300, 0.397, 0.600])
    assert all(echo["spacing_s"] * echo["centre_echo"] == pytest.approx(echo["te_s"]) for echo in echoes)


def test_the_tissue_values_of_the_case_are_recorded(small_options: CaseOptions) -> None:
    options = replace(small_options, planes=("ax",), te_s=(0.3,), age_dependent_tissue=True)
    tissues = simulate_case(options, 1).record["tissues"]
    assert isinstance(tissues, dict)
    assert tissues["white_matter"]["t2_s"] == pytest.approx(0.339 * (1 + 5 * 0.008))  # 25 weeks, 5 before the table
    assert tissues["white_matter"]["m0"] == pytest.approx(0.90 * 1.01 * options.units_per_m0)


def test_stacks_of_a_train_show_the_bias_of_their_truth(small_options: CaseOptions) -> None:
    """Not the truth alone: the T2 of acquired pixels that hold brain tissue is longer too, by as much."""
    clean = replace(small_options, motion="none", void_probability=0.0, gain_sd=0.0, snr=math.inf, planes=("ax",))
    found = []
    for train in (None, EchoTrain(refocusing_deg=135.0, b1_sd=0.0)):
        case = simulate_case(replace(clean, echo_train=train), 3)
        pixels = np.stack([stack.pixels for stack in case.stacks])
        found.append(loglinear_t2(np.maximum(pixels, 1e-3), case.truth.te_s))
    core = ndimage.binary_erosion(case.stacks[0].mask, np.ones((3, 3, 1))) & (found[0] > 0.2) & (found[0] < 0.36)
    assert core.sum() > 100
    assert 0.05 < np.median(found[1][core] / found[0][core]) - 1.0 < 0.09


def test_transmit_field_is_drawn_recorded_and_repeatable(small_options: CaseOptions) -> None:
    options = replace(small_options, planes=("ax",), te_s=(0.3, 0.5), echo_train=EchoTrain(b1_sd=0.08))
    one, two = simulate_case(options, 5), simulate_case(options, 5)
    assert one.record["transmit"] == two.record["transmit"]
    assert one.record["transmit"] is not None
    assert np.array_equal(one.stacks[1].pixels, two.stacks[1].pixels)
    even = simulate_case(replace(options, echo_train=EchoTrain(b1_sd=0.0)), 5)
    assert even.record["transmit"] is None
    assert not np.allclose(one.truth.echoes, even.truth.echoes, rtol=1e-3)


def test_an_echo_time_that_the_train_does_not_allow_is_refused(small_options: CaseOptions) -> None:
    options = replace(small_options, te_s=(0.02, 0.3), echo_train=EchoTrain(partial_fourier=0.75))
    with pytest.raises(ValueError, match=r"echo time is 0\.02 s; .* the shortest is"):
        simulate_case(options, 1)


def test_static_case_is_the_truth_resampled(small_options: CaseOptions) -> None:
    """No motion, voids, gain, coil or noise: thin slices equal the truth's echo at their own positions."""
    options = replace(
        small_options,
        motion="none",
        void_probability=0.0,
        gain_sd=0.0,
        coil_sd=0.0,
        snr=math.inf,
        thickness_mm=1.6,
        spacing_mm=4.0,
        te_s=(0.3,),
    )
    case = simulate_case(options, 2)
    smooth = ndimage.gaussian_filter(case.truth.echoes[0], 0.4)
    for stack in case.stacks:
        inside = np.argwhere(ndimage.binary_erosion(stack.mask, np.ones((3, 3, 1))))
        world = np.c_[inside, np.ones(len(inside))] @ stack.affine.T
        expected = ndimage.map_coordinates(smooth, (np.linalg.inv(case.truth.affine) @ world.T)[:3], order=1)
        seen = stack.pixels[tuple(inside.T)]
        assert np.corrcoef(seen, expected)[0, 1] > 0.95
        assert seen.mean() == pytest.approx(expected.mean(), rel=0.02)


def test_zero_filled_stacks_have_the_asked_noise_and_fewer_lines(small_options: CaseOptions) -> None:
    options = replace(small_options, acquired_mm=4.0, planes=("ax",), te_s=(0.3,), motion="none")
    case, quiet = simulate_case(options, 2), simulate_case(replace(options, snr=math.inf), 2)
    sd = float(str(case.record["noise_sd"]))
    bright = quiet.stacks[0].pixels > 8 * sd
    assert (case.stacks[0].pixels - quiet.stacks[0].pixels)[bright].std() == pytest.approx(sd, rel=0.1)
    assert case.plans[0].acquired is not None
    assert case.plans[0].acquired[0] == pytest.approx(case.plans[0].shape[0] / 2, abs=1)


def test_recorded_motion_is_followed_and_named(small_options: CaseOptions, tmp_path: Path) -> None:
    steps = np.arange(60.0)[:, None]
    np.savez(tmp_path / "m.npz", rot7=steps * (0.0, 0.002, 0.0), trans7=steps * (0.1, 0.0, 0.0))
    options = replace(small_options, motion_file=str(tmp_path / "m.npz"), planes=("ax",), te_s=(0.3, 0.5))
    case = simulate_case(options, 4)
    motion = case.record["motion"]
    assert isinstance(motion, dict)
    assert motion["trajectory"] == "7"
    n_slices = case.plans[0].shape[2]
    times = np.concatenate([plan.slice_times_s for plan in case.plans])
    times[n_slices:] += 2.0 * n_slices + options.pause_s
    assert np.allclose(case.slices["shift_x_mm"], 0.1 * times / 7.0)
    with pytest.raises(ValueError, match="Take a longer recording"):
        simulate_case(replace(options, motion_step_s=0.5), 4)
