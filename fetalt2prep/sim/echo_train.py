"""Single-shot fast spin echo: which echo fills which line of k-space, and what that does to every tissue.

The lines are acquired in one sweep. With partial Fourier only a few lines lie before the centre, so the echo time, the
time at which the centre is reached, can be as short as those lines allow, or as long as the train lasts. Lines after
the centre are acquired later and have decayed further, the more the shorter the tissue's T2: that blurs along the
phase-encoded axis. Lines that were not acquired are filled by Hermitian symmetry.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fetalt2prep.core.epg import echo_train, refocusing_train
from fetalt2prep.sim.known_names import refuse_unknown

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
RANK = 3  # functions of the echo that all tissues share
MAX_ECHOES = 1024


@dataclass(frozen=True, kw_only=True)
class EchoTrain:
    """The train in numbers. Defaults: a partial-Fourier single-shot protocol with parallel imaging."""

    spacing_s: float = 0.005  # between echoes; stretched or shrunk a little so that an echo falls on TE
    refocusing_deg: float = 160.0  # nominal angle of the refocusing pulses; the first is 90 + half of it
    partial_fourier: float = 0.6  # share of k-space that is acquired, more than 0.5, at most 1
    acceleration: float = 2.0  # lines of k-space per echo: parallel imaging
    field_of_view_mm: float = 320.0  # along the phase-encoded axis of the real protocol: sets the number of lines
    length: int | None = None  # echoes in the train; None: as many as the lines need
    b1_sd: float = 0.04  # standard deviation of the log transmit field over the head

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> EchoTrain:
        """A train from names and values; an unknown name is an error that lists the known ones."""
        refuse_unknown(values, cls, "echo train: ")
        return cls(**values)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        for name in ("spacing_s", "field_of_view_mm", "acceleration"):
            if not getattr(self, name) > 0:
                raise ValueError(f"echo train: {name} is {getattr(self, name)}; it must be positive.")
        if not 0.5 < self.partial_fourier <= 1.0:
            raise ValueError(f"echo train: partial_fourier is {self.partial_fourier}; it lies above 0.5, up to 1.")
        if not 0.0 < self.refocusing_deg <= 180.0:
            raise ValueError(f"echo train: refocusing_deg is {self.refocusing_deg}; it lies above 0, up to 180.")
        if self.length is not None and self.length < 1:
            raise ValueError(f"echo train: length is {self.length}; it must be 1 or more, or left out.")
        if not self.b1_sd >= 0:
            raise ValueError(f"echo train: b1_sd is {self.b1_sd}; it must be 0 or more.")


@dataclass(frozen=True)
class TrainPlan:
    """A train that reaches the centre of k-space at one echo time; echoes are counted from 0 here."""

    te_s: float
    spacing_s: float  # as played out: ``te_s / (centre + 1)``
    centre: int  # echo that fills the centre of k-space
    first_used: int  # echo that fills the first line; the ones before it are not recorded
    n_echoes: int
    lines_per_echo: float
    line_step_per_mm: float  # distance of two lines of the real protocol's k-space, cycles per mm

    def echo_of_line(self, n_lines: int, pixel_mm: float) -> NDArray[np.int64]:
        """Echo that gives each line of an image's k-space, (line,), zero frequency at ``n // 2``.

        The image may show less than the real field of view: its lines then lie farther apart in k-space, at the same
        frequencies. A line that was not acquired takes the echo of its mirror image.
        """
        frequency = (np.arange(n_lines) - n_lines // 2) / (n_lines * pixel_mm)
        offset = np.rint(frequency / self.line_step_per_mm / self.lines_per_echo).astype(np.int64)
        offset = np.where(self.centre + offset < self.first_used, -offset, offset)
        return np.minimum(self.centre + offset, self.n_echoes - 1)


def plan_train(train: EchoTrain, te_s: float, pixel_mm: float) -> TrainPlan:
    """Lay out a train for an echo time and an acquired pixel size along the phase-encoded axis.

    Raises when the echo time is shorter than the lines before the centre take, or the train longer than allowed.
    """
    n_lines = max(2, round(train.field_of_view_mm / pixel_mm))
    before = math.ceil((train.partial_fourier - 0.5) * n_lines / train.acceleration)
    after = math.ceil(0.5 * n_lines / train.acceleration)
    centre = round(te_s / train.spacing_s) - 1
    if centre < before:
        shortest = (before + 1) * train.spacing_s
        raise ValueError(
            f"echo time is {te_s:g} s; {before} echoes {train.spacing_s:g} s apart come before the centre of "
            f"k-space, so the shortest is {shortest:g} s. Lower partial_fourier or spacing_s, raise acceleration, or "
            "take a longer TE."
        )
    needed = centre + after + 1
    allowed = MAX_ECHOES if train.length is None else train.length
    if needed > allowed:
        raise ValueError(
            f"echo time {te_s:g} s with {n_lines} lines needs {needed} echoes {train.spacing_s:g} s apart, and the "
            f"train has {allowed}. Raise length, spacing_s or acceleration, or take a shorter TE."
        )
    return TrainPlan(
        te_s, te_s / (centre + 1), centre, centre - before, needed, train.acceleration, 1 / (n_lines * pixel_mm)
    )


@dataclass(frozen=True)
class TrainBasis:
    """Every tissue's train as a sum of few functions of the echo: ``signal = sum_r weight_r * functions[r, echo]``.

    The first function is 1 at the echo of the centre and the others are 0 there: the contrast is that of the extended
    phase graph, whatever the rank, and only the blur along the train is approximated.
    """

    plan: TrainPlan
    functions: Doubles  # (rank, echo)
    log_t2: Doubles  # (tissue, 2) log of the shortest and longest T2 of each tissue, seconds
    b1: Doubles  # (b1,) nodes, equally spaced; one node where the field is uniform
    weights: Floats  # (tissue, t2, b1, rank) over exp(-te / t2), for M0 = 1; T2 nodes are equally spaced in the log

    def maps(self, tissue: NDArray[np.integer], t2_s: Floats, b1: Floats | None) -> Floats:
        """Weights of voxels (n,) for M0 = 1, (rank, n): bilinear in log T2 and B1, the plain decay taken out first.

        A T2 or B1 beyond the nodes takes the border's ratio to plain decay.
        """
        low, high = self.log_t2[tissue].T
        row = _between((np.log(t2_s) - low) / (high - low), self.weights.shape[1])
        n_b1 = len(self.b1)
        field = np.ones_like(t2_s) if b1 is None else b1
        column = _between((field - self.b1[0]) / max(self.b1[-1] - self.b1[0], 1e-6), n_b1)
        total = np.zeros((len(self.functions), len(t2_s)), np.float32)
        for i, weight_i in row:
            for j, weight_j in column:
                total += (weight_i * weight_j) * self.weights[tissue, i, j].T
        return np.asarray(total * np.exp(np.float32(-self.plan.te_s) / t2_s), np.float32)

    def line_weights(self, n_lines: int, pixel_mm: float) -> Doubles:
        """Basis functions along the lines of an image's k-space, (rank, line)."""
        return self.functions[:, self.plan.echo_of_line(n_lines, pixel_mm)]


def train_basis(
    plan: TrainPlan,
    refocusing_deg: float,
    t1_s: Doubles,
    t2_s: Doubles,
    t2_spread: float,
    b1_range: tuple[float, float],
) -> TrainBasis:
    """Trains of every tissue (T1 and T2 (tissue,), T2 within ``exp(+-t2_spread)``) on a common basis.

    Extended phase graphs at nodes 5 % apart in T2 and 0.04 in B1; of each train divided by its centre echo, what
    differs from the mean over tissues is reduced to ``RANK - 1`` functions by a singular value decomposition that
    weighs each train with its signal.
    """
    n_t2 = 2 * math.ceil(t2_spread / 0.05) + 1 if t2_spread > 0 else 2
    spread = np.linspace(-1.0, 1.0, n_t2) * max(t2_spread, 0.01)
    n_b1 = math.ceil((b1_range[1] - b1_range[0]) / 0.04)
    b1 = np.linspace(*b1_range, n_b1 + 1) if n_b1 else np.array([b1_range[0]])
    shape = (len(t1_s), len(spread), len(b1))
    t2_grid = np.broadcast_to((np.asarray(t2_s)[:, None] * np.exp(spread))[..., None], shape)
    atoms = [np.broadcast_to(np.asarray(t1_s)[:, None, None], shape), t2_grid, np.broadcast_to(b1, shape)]
    angles = refocusing_train(plan.n_echoes, math.radians(refocusing_deg))
    one, two, three = (torch.from_numpy(atom.astype(np.float32)) for atom in atoms)
    trains = np.moveaxis(echo_train(one, two, plan.spacing_s, angles, b1=three).numpy().astype(np.float64), 0, -1)
    centre = trains[..., plan.centre]
    ratio = trains / centre[..., None]
    ratio[..., : plan.first_used] = 1.0
    mean = np.average(ratio.reshape(-1, plan.n_echoes), axis=0, weights=centre.ravel())
    rest = (ratio - mean).reshape(-1, plan.n_echoes)
    others = np.linalg.svd(rest * centre.reshape(-1, 1), full_matrices=False)[2][: RANK - 1]
    weights = np.concatenate((np.ones((*shape, 1)), (rest @ others.T).reshape(*shape, -1)), -1)
    weights *= (centre / np.exp(-plan.te_s / t2_grid))[..., None]
    return TrainBasis(
        plan,
        np.concatenate((mean[None], others)),
        np.log(t2_grid[:, [0, -1], 0]),
        b1,
        weights.astype(np.float32),
    )


def _between(share: NDArray[np.floating], n_nodes: int) -> list[tuple[NDArray[np.int64], Floats]]:
    """Index and weight of the nodes around each place, 0 first node .. 1 last node; outside takes the border's."""
    if n_nodes == 1:
        return [(np.zeros(len(share), np.int64), np.ones(len(share), np.float32))]
    place = np.clip(share, 0.0, 1.0) * (n_nodes - 1)
    low = np.minimum(place.astype(np.int64), n_nodes - 2)
    above = (place - low).astype(np.float32)
    return [(low, 1 - above), (low + 1, above)]
