"""Slices along an echo train: the plain spin echo where nothing decays, and T2 blurring where it does."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from fetalt2prep.sim.acquisition import Head, SliceEffects, StackPlan, acquire_stack, plan_affine
from fetalt2prep.sim.artefacts import VoidTable, draw_coil_field
from fetalt2prep.sim.echo_train import EchoTrain, TrainBasis, plan_train, train_basis
from fetalt2prep.sim.phantom import Label
from fetalt2prep.sim.surroundings import draw_surroundings
from fetalt2prep.sim.tissue import read_tissues
from fetalt2prep.sim.train_acquisition import TrainHead, acquire_train_stack, head_weights, surrounding_levels

SHAPE = (24, 32, 3)


def plan_of(te_s: float = 0.3) -> StackPlan:
    affine = plan_affine("ax", np.eye(4), np.zeros(3), np.zeros(3), (2.0, 2.0, 4.0), SHAPE)
    return StackPlan(
        plane="ax",
        run=1,
        echo=1,
        te_s=te_s,
        affine=affine,
        shape=SHAPE,
        thickness_mm=4.0,
        slice_times_s=np.arange(3.0),
    )


def still(gain: float = 1.0) -> SliceEffects:
    zeros, ones = np.zeros(3), np.ones(3)
    return SliceEffects(np.tile(np.eye(4), (3, 1, 1)), VoidTable(zeros, zeros, zeros, zeros, ones, ones), gain * ones)


def block(t2_s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Labels, M0, T2 and affine of a block of white matter that is 20 x 24 x 30 mm."""
    labels = np.zeros((48, 64, 40), np.uint8)
    labels[14:34, 20:44, 5:35] = Label.WHITE_MATTER
    affine = np.eye(4)
    affine[:3, 3] = -(np.array(labels.shape) - 1) / 2
    return labels, np.where(labels, 800.0, 0.0).astype(np.float32), np.full(labels.shape, t2_s, np.float32), affine


def basis_of(t2_s: float, train: EchoTrain, te_s: float = 0.3) -> TrainBasis:
    return train_basis(
        plan_train(train, te_s, 2.0), train.refocusing_deg, np.array([2.4]), np.array([t2_s]), 0.1, (1, 1)
    )


def scan(t2_s: float, train: EchoTrain, effects: SliceEffects | None = None) -> np.ndarray:
    labels, m0, t2_map, affine = block(t2_s)
    basis = basis_of(t2_s, train)
    tissues = {Label.WHITE_MATTER: read_tissues(0.55)[Label.WHITE_MATTER]}
    weights = head_weights(labels, m0, t2_map, affine, basis, tissues, None)
    head = TrainHead(weights, (labels > 0).astype(np.float32), affine)
    return acquire_train_stack(plan_of(), head, basis, effects or still(), 0)


def test_half_turns_without_decay_along_the_train_are_a_spin_echo() -> None:
    """A T2 of 1000 s decays nowhere: both ways to acquire give the same pixels, edges and ringing included."""
    labels, m0, _, affine = block(1000.0)
    inside = (labels > 0).astype(np.float32)
    spin_echo = acquire_stack(plan_of(), Head(m0, inside, inside, affine), still(), 0)
    train = scan(1000.0, EchoTrain(refocusing_deg=180.0))
    assert np.allclose(train, spin_echo, atol=0.004 * spin_echo.max())


def test_signal_of_a_large_block_is_that_of_its_echo_time() -> None:
    """Blur moves signal about but keeps its mean: zero frequency is read at the echo time."""
    pixels = scan(0.25, EchoTrain(refocusing_deg=180.0))
    labels = block(0.25)[0]
    expected = 800.0 * np.exp(-0.3 / 0.25) * labels[:, :, 20].sum() / 4.0  # pixels of 4 mm^2
    assert pixels[..., 1].sum() == pytest.approx(expected, rel=2e-3)


def test_short_t2_blurs_the_phase_encoded_axis_alone() -> None:
    """The edge's slope against that of a T2 that does not decay: lower along y, the same along x."""

    def steepest(pixels: np.ndarray, axis: int) -> float:
        profile = np.take(pixels[..., 1], SHAPE[1 - axis] // 2, 1 - axis) / pixels[12, 16, 1]
        return float(np.abs(np.diff(profile)).max())

    sharp, blurred = scan(1000.0, EchoTrain(acceleration=1.0)), scan(0.12, EchoTrain(acceleration=1.0))
    assert steepest(blurred, 1) < 0.8 * steepest(sharp, 1)
    assert steepest(blurred, 0) == pytest.approx(steepest(sharp, 0), rel=0.05)


def test_acceleration_makes_the_train_shorter_and_the_blur_less() -> None:
    slow, fast = (scan(0.15, EchoTrain(acceleration=a)) for a in (1.0, 3.0))
    sharp = scan(1000.0, EchoTrain())
    errors = [np.abs(p / p[12, 16, 1] - sharp / sharp[12, 16, 1]).max() for p in (slow, fast)]
    assert errors[1] < 0.7 * errors[0]


def test_a_slice_beside_the_head_sees_the_background_alone() -> None:
    labels, m0, t2_map, affine = block(0.3)
    basis = basis_of(0.3, EchoTrain())
    weights = head_weights(
        labels, m0, t2_map, affine, basis, {Label.WHITE_MATTER: read_tissues(0.55)[Label.WHITE_MATTER]}, None
    )
    away = affine.copy()
    away[2, 3] += 500.0
    head = TrainHead(weights, (labels > 0).astype(np.float32), away)

    def fluid(points: np.ndarray) -> np.ndarray:
        return np.array([7.0, 0.0, 0.0]).reshape(3, 1, 1) * np.ones(points.shape[:-1])

    pixels = acquire_train_stack(plan_of(), head, basis, still(), 0, background=fluid)
    assert np.allclose(pixels, 7.0, rtol=1e-4)


def test_gain_is_linear() -> None:
    train = EchoTrain()
    assert np.allclose(scan(0.3, train, still(2.5)), 2.5 * scan(0.3, train), rtol=1e-5, atol=1e-4)


def test_transmit_field_lowers_the_decay_where_it_is_weak() -> None:
    labels, m0, t2_map, affine = block(0.3)
    train = EchoTrain(b1_sd=0.1)
    tissues = {Label.WHITE_MATTER: read_tissues(0.55)[Label.WHITE_MATTER]}
    field = draw_coil_field(np.random.default_rng(2), 0.1, np.zeros(3), 20.0)
    weights = []
    for te_s in (0.3, 0.6):
        plan = plan_train(train, te_s, 2.0)
        basis = train_basis(plan, 160.0, np.array([2.4]), np.array([0.3]), 0.1, (0.75, 1.3))
        weights.append(head_weights(labels, m0, t2_map, affine, basis, tissues, field)[0])
    inside = labels > 0
    apparent = 0.3 / np.log(weights[0][inside] / weights[1][inside])
    b1 = field.at(np.argwhere(inside) + affine[:3, 3])
    weak, right = apparent[b1 < np.quantile(b1, 0.1)], apparent[np.abs(b1 - 1.0) < 0.02]
    assert b1.min() < 0.95
    assert np.median(weak) > 1.01 * np.median(right) > 1.01 * 0.3


def test_surroundings_have_their_own_decay() -> None:
    tissues = read_tissues(0.55)
    labels = (Label.AMNIOTIC_FLUID, Label.UTERUS, Label.MATERNAL_TISSUE)
    t1_s, t2_s = (np.array([getattr(t, name) for t in tissues.values()]) for name in ("t1_s", "t2_s"))
    basis = train_basis(plan_train(EchoTrain(refocusing_deg=180.0), 0.3, 2.0), 180.0, t1_s, t2_s, 0.2, (0.9, 1.1))
    level = surrounding_levels(basis, tissues, labels)[0]
    assert level == pytest.approx([tissues[k].m0 * np.exp(-0.3 / tissues[k].t2_s) for k in labels], rel=1e-3)
    around = draw_surroundings(np.random.default_rng(0), np.zeros(3), np.full(3, 30.0))
    fluid = partial(around.signal, level=[1.0, 2.0, 3.0])
    assert fluid(np.array([[0.0, 0, 0], [200.0, 0, 0]])).tolist() == [1.0, 3.0]
