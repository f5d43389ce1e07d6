"""The field's part of the joint fit, poses, gains and weights held: Adam on the whole lattice at every step."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from fetalt2prep.core.field.echo import EchoField, SeparateFields
from fetalt2prep.core.operator import apply
from fetalt2prep.core.recon.lattice import Lattice
from fetalt2prep.core.recon.penalty import decay_penalty
from fetalt2prep.core.recon.priors import LocalDecay, prior_cost
from fetalt2prep.core.recon.response import Response
from fetalt2prep.core.slice_op import SliceOperator, blur

EDGE_WEIGHT = 0.02  # total variation per noise standard deviation and face of a cube of Scene.unit_mm


@dataclass
class Scene:
    """What the field is fitted to, at the present poses; everything on one device, session scale."""

    values: Tensor  # (pixel,)
    operator: SliceOperator
    response: Response  # blur and operator in one, on the lattice's points
    lattice: Lattice
    blur_voxels: float
    unit_mm: float  # see Slices
    gain: Tensor  # (pixel,)
    weight: Tensor  # (pixel,) robust
    sigma: float  # spread of the residual
    floor: float  # noise floor of magnitude pixels
    typical: LocalDecay | None  # None: no prior on tissue

    def predict(self, log_signal: Tensor) -> Tensor:
        """Prediction of every pixel without its gain, (pixel,); log_signal (echo, n)."""
        return magnitude(apply(self.response, torch.exp(log_signal)), self.floor)

    def volumes(self, log_signal: Tensor) -> Tensor:
        """Blurred volumes (echo, x, y, z), of which ``operator`` takes its pixels."""
        return blur(self.lattice.scatter(torch.exp(log_signal)), self.blur_voxels)


def magnitude(signal: Tensor, floor: float) -> Tensor:
    """Expected magnitude of a signal in noise, sqrt(s^2 + floor^2): what keeps late echoes from flattening the decay.

    Second-moment approximation of the Rice mean, good to 1 % above a signal-to-noise ratio of 2
    (doi:10.1002/mrm.1910340618).
    """
    return (signal.square() + floor**2).sqrt()


@dataclass
class FieldFit:
    """A :class:`~fetalt2prep.core.fit.Method`; its state is the field itself, the optimiser is kept across calls."""

    field: EchoField | SeparateFields
    learning_rate: float
    network_rate: float
    total_steps: int
    projector: Tensor
    alpha: float
    joint: bool
    te_s: Tensor
    scene: Scene | None = None
    done: int = 0
    _optimiser: torch.optim.Adam = field(init=False)

    def __post_init__(self) -> None:
        groups = [
            {"params": self.field.encoding_parameters(), "lr": self.learning_rate},
            {"params": self.field.network_parameters(), "lr": self.network_rate},
        ]
        # eps far below any gradient: features that few pixels see learn as fast as the rest
        self._optimiser = torch.optim.Adam(groups, betas=(0.9, 0.95), eps=1e-12, fused=True)
        self._rates = [self.learning_rate, self.network_rate]

    def start(self) -> EchoField | SeparateFields:
        """The field as it is."""
        return self.field

    def step(self, state: EchoField | SeparateFields, i: int) -> tuple[EchoField | SeparateFields, Tensor]:
        """One step of Adam on all pixels; the loss is given per pixel."""
        pace = min(1.0, (self.done + 1) / 5) * (0.45 * (1 + math.cos(math.pi * self.done / self.total_steps)) + 0.02)
        for group, rate in zip(self._optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * pace
        scene = self._scene()
        loss = self.loss(state)
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        self.done += 1
        return state, loss.detach() / len(scene.values)

    def snapshot(self, state: EchoField | SeparateFields) -> EchoField | SeparateFields:
        """A copy of the field."""
        return copy.deepcopy(state)

    def loss(self, state: EchoField | SeparateFields) -> Tensor:
        """Data term + total variation + decay penalty + priors, as sums.

        Sums and not means: Adam's second moments are squares of gradients, and those of a mean over a hundred thousand
        pixels fall into the denormal range, where processors are ten times slower and the steps wrong.
        """
        scene = self._scene()
        log_signal = state.on_lattice(scene.lattice.index)
        predicted = scene.predict(log_signal)
        data = 0.5 * (scene.weight * (scene.gain * predicted - scene.values).square()).sum() / scene.sigma**2
        edges = scene.lattice.total_variation(torch.exp(log_signal), joint=self.joint)
        smooth = EDGE_WEIGHT * min(scene.sigma, 0.022) / scene.sigma**2 * edges / scene.unit_mm**2
        total = data + smooth
        if self.alpha > 0:
            volume = (scene.lattice.grid.spacing_mm / scene.unit_mm) ** 3  # a sum over points stands for an integral
            total = total + self.alpha * volume * decay_penalty(log_signal, self.projector)
        if scene.typical is not None:
            total = total + prior_cost(log_signal, self.te_s, scene.typical, scene.lattice, scene.unit_mm)
        return total

    def _scene(self) -> Scene:
        if self.scene is None:
            raise RuntimeError("FieldFit has no scene: set .scene before the first step.")
        return self.scene
