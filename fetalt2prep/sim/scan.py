"""One echo time of a session: the truth's echo, and how a stack at that echo time is acquired."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.sim.acquisition import Head, SliceEffects, StackPlan, acquire_stack
from fetalt2prep.sim.echo_train import EchoTrain, plan_train, train_basis
from fetalt2prep.sim.scene import Scene
from fetalt2prep.sim.surroundings import SURROUNDINGS, Surroundings, spin_echo_levels
from fetalt2prep.sim.train_acquisition import TrainHead, acquire_train_stack, head_weights, surrounding_levels
from fetalt2prep.sim.truth import bin_mean, spin_echo

Floats = NDArray[np.float32]
SPREADS = 2.5  # spreads within which texture and the transmit field are followed


@dataclass(frozen=True)
class Scan:
    """What one echo time gives."""

    echo: Floats  # (x, y, z) on the truth's grid, scanner units: the signal at rest without coil and noise
    pixels: Callable[[StackPlan, int], Floats]  # plan, row of its first slice -> noise-free stack
    record: dict[str, object]  # JSON-ready


def spin_echo_scan(scene: Scene, te_s: float, inside: Floats, effects: SliceEffects) -> Scan:
    """A spin echo: every line of k-space has the signal of the echo time."""
    signal = spin_echo(scene.m0, scene.t2_s, te_s)
    head = Head(signal, inside, inside, scene.affine)
    around = scene.surroundings
    background = None if around is None else partial(around.signal, level=spin_echo_levels(scene.tissues, te_s))

    def pixels(plan: StackPlan, row: int) -> Floats:
        return acquire_stack(plan, head, effects, row, coil=scene.coil, background=background)

    return Scan(bin_mean(signal), pixels, {"te_s": te_s})


def train_scan(
    scene: Scene, train: EchoTrain, te_s: float, acquired_mm: float, inside: Floats, effects: SliceEffects
) -> Scan:
    """A fast spin echo whose train reaches the centre of k-space at the echo time."""
    plan_of_train = plan_train(train, te_s, acquired_mm)
    reach = SPREADS * train.b1_sd
    tissues = list(scene.tissues.values())
    basis = train_basis(
        plan_of_train,
        train.refocusing_deg,
        np.array([tissue.t1_s for tissue in tissues]),
        np.array([tissue.t2_s for tissue in tissues]),
        SPREADS * max(tissue.t2_spread for tissue in tissues),
        (float(np.exp(-reach)), float(np.exp(reach))),
    )
    weights = head_weights(scene.labels, scene.m0, scene.t2_s, scene.affine, basis, scene.tissues, scene.transmit)
    head = TrainHead(weights, inside, scene.affine)
    background = None
    if scene.surroundings is not None:
        levels = surrounding_levels(basis, scene.tissues, SURROUNDINGS)
        background = partial(_surrounding_weights, scene.surroundings, levels)

    def pixels(plan: StackPlan, row: int) -> Floats:
        return acquire_train_stack(plan, head, basis, effects, row, coil=scene.coil, background=background)

    record: dict[str, object] = {
        "te_s": te_s,
        "spacing_s": plan_of_train.spacing_s,
        "n_echoes": plan_of_train.n_echoes,
        "centre_echo": plan_of_train.centre + 1,
        "first_recorded_echo": plan_of_train.first_used + 1,
    }
    return Scan(bin_mean(weights[0]), pixels, record)  # the other functions are 0 at the centre of k-space


def _surrounding_weights(around: Surroundings, levels: NDArray[np.float64], points_mm: NDArray[np.floating]) -> Floats:
    """Weights (rank, ...) at world points (..., 3)."""
    to_wall, to_mother = around.layers(points_mm)
    fluid, wall, mother = (levels[:, k].reshape(-1, *[1] * to_wall.ndim) for k in range(3))
    return np.asarray(fluid + to_wall * (wall - fluid) + to_mother * (mother - wall), np.float32)
