"""Whole sessions: the same twice, streams apart, truth consistent with stacks, options that are refused."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from fetalt2prep.sim import Case, CaseOptions, simulate_case
from fetalt2prep.sim.phantom import Label


def test_same_seed_same_case_other_seed_other_case(small_case: Case, small_options: CaseOptions) -> None:
    again, other = simulate_case(small_options, 3), simulate_case(small_options, 4)
    for one, two in zip(small_case.stacks, again.stacks, strict=True):
        assert np.array_equal(one.pixels, two.pixels)
        assert np.array_equal(one.mask, two.mask)
    assert small_case.record == again.record
    assert small_case.record != other.record
    assert not np.array_equal(small_case.slices["rot_x_deg"][:5], other.slices["rot_x_deg"][:5])


def test_noise_off_leaves_every_other_draw_alone_and_its_spread_is_as_asked(
    small_case: Case, small_options: CaseOptions
) -> None:
    quiet = simulate_case(replace(small_options, snr=math.inf), 3)
    for name, column in small_case.slices.items():
        assert np.array_equal(column, quiet.slices[name]), name
    sd = float(str(small_case.record["noise_sd"]))
    bright = np.concatenate(
        [(s.pixels - q.pixels)[q.pixels > 8 * sd] for s, q in zip(small_case.stacks, quiet.stacks, strict=True)]
    )
    assert bright.std() == pytest.approx(sd, rel=0.03)
    white = small_case.truth.echoes[0][small_case.truth.labels == Label.WHITE_MATTER]
    assert sd == pytest.approx(np.median(white) / small_options.snr)


def test_stacks_have_every_plane_at_every_echo_and_interleaved_times(small_case: Case) -> None:
    names = [stack.name for stack in small_case.stacks]
    assert names == [f"acq-{plane}_run-1_echo-{k}" for plane in ("ax", "cor") for k in (1, 2, 3)]
    for stack in small_case.stacks:
        assert stack.spacing_mm == pytest.approx((2.0, 2.0, 4.5))
        assert stack.slice_times_s is not None
        assert sorted(stack.slice_times_s) == pytest.approx(2.0 * np.arange(stack.n_slices))
    first, second = small_case.stacks[:2]
    assert np.array_equal(first.affine, second.affine)  # one prescription per plane


def test_a_repeated_plane_is_a_second_run(small_options: CaseOptions) -> None:
    case = simulate_case(replace(small_options, planes=("ax", "ax"), te_s=(0.4,)), 1)
    assert [stack.name for stack in case.stacks] == ["acq-ax_run-1_echo-1", "acq-ax_run-2_echo-1"]
    assert not np.allclose(case.stacks[0].affine, case.stacks[1].affine)
    assert case.truth.t2_s is None  # one echo time: nothing to fit


def test_truth_t2_follows_from_the_truth_echoes(small_case: Case) -> None:
    truth = small_case.truth
    assert truth.t2_s is not None
    core = ndimage.binary_erosion(truth.labels == Label.WHITE_MATTER)
    predicted = truth.echoes[0] * np.exp(-(truth.te_s[2] - truth.te_s[0]) / truth.t2_s)
    assert np.allclose(predicted[core], truth.echoes[2][core], rtol=0.01)
    medians = [np.median(truth.t2_s[truth.labels == k]) for k in (1, 5, 6)]
    assert medians[0] == pytest.approx(0.339, rel=0.06)
    assert medians[0] > medians[1] > medians[2]


def test_transform_carries_the_slice_to_the_truth(small_options: CaseOptions) -> None:
    """With strong motion, a clean stack agrees with the truth at the transformed points, and not without."""
    options = replace(
        small_options,
        motion="severe",
        snr=math.inf,
        void_probability=0,
        gain_sd=0,
        coil_sd=0,
        thickness_mm=2.0,
        truth_mm=1.0,
    )
    case = simulate_case(options, 7)
    truth, stack = case.truth, case.stacks[0]
    rows = np.flatnonzero(case.slices["stack"] == stack.name)
    names = [f"m{r}{c}" for r in range(3) for c in range(4)]
    with_it, without = [], []
    blurred = ndimage.gaussian_filter(truth.echoes[0], 0.8)
    for k, row in enumerate(rows):
        inside = np.argwhere(stack.mask[..., k])
        if len(inside) < 50:
            continue
        world = np.c_[inside, np.full(len(inside), k), np.ones(len(inside))] @ stack.affine.T
        to_truth = np.array([float(case.slices[name][row]) for name in names]).reshape(3, 4)
        seen = stack.pixels[inside[:, 0], inside[:, 1], k]
        for points, scores in ((world @ to_truth.T, with_it), (world[:, :3], without)):
            index = np.linalg.inv(truth.affine) @ np.c_[points, np.ones(len(points))].T
            scores.append(np.corrcoef(seen, ndimage.map_coordinates(blurred, index[:3], order=1))[0, 1])
    assert np.median(with_it) > 0.92
    assert np.median(with_it) > np.median(without) + 0.5


def test_masks_hold_the_brain_and_little_else(small_case: Case) -> None:
    brain_ml = small_case.truth.mask.sum() * 1.6**3 / 1000
    for stack in small_case.stacks:
        seen_ml = stack.mask.sum() * float(np.prod(stack.spacing_mm)) / 1000
        assert seen_ml == pytest.approx(brain_ml, rel=0.12), stack.name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"te_s": (0.3, 0.0)}, "echo times are seconds between 0 and 5"),
        ({"te_s": (300.0,)}, "echo times are seconds between 0 and 5"),
        ({"te_s": ()}, "at least one"),
        ({"te_s": (0.3, 0.3)}, "repeat its planes"),
        ({"thickness_mm": 0.0}, "thickness_mm is 0"),
        ({"spacing_mm": -1.0}, "spacing_mm is -1"),
        ({"in_plane_mm": float("nan")}, "in_plane_mm is nan"),
        ({"margin_mm": -3.0}, "margin_mm is -3"),
        ({"snr": 0.0}, "snr is 0"),
        ({"planes": ("axial",)}, "known planes: ax, cor, sag, oblique"),
        ({"planes": ("ax:1,2",)}, "a tilt is three angles"),
        ({"slice_profile": "triangle"}, "slice_profile is 'triangle'; known: tapered, boxcar, gaussian, sinc"),
        ({"life": "elderly"}, "life is 'elderly'; known: fetal, adult"),
        ({"acquired_mm": 0.5}, "acquired_mm is 0.5 and in_plane_mm 1.48"),
        ({"interleave": 0}, "interleave is 0"),
        ({"motion_step_s": 0.0}, "motion_step_s is 0"),
        ({"echo_train": {"spacing": 5}}, "echo train: unknown option 'spacing'"),
        ({"echo_train": {"spacing_s": -1.0}}, "echo train: spacing_s is -1"),
        ({"planes": ()}, "name at least one"),
        ({"motion": "wild"}, "known: none, mild, moderate, severe, fabian-slight"),
        ({"motion_scale": -1.0}, "motion_scale is -1"),
        ({"thicknes_mm": 3.0}, "unknown option 'thicknes_mm'; known options: gestational_age_weeks"),
    ],
)
def test_impossible_options_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CaseOptions.from_mapping(change)


def test_negative_seed_and_unknown_field_are_refused(small_options: CaseOptions) -> None:
    with pytest.raises(ValueError, match="seed is -1"):
        simulate_case(small_options, -1)
    with pytest.raises(ValueError, match=r"tissue\.tsv knows"):
        simulate_case(replace(small_options, field_t=7.0), 1)
