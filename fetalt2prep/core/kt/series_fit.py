"""Fit a field to one subject's own (k, t) samples: no training set, the shared optimisation loop."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from fetalt2prep.core.coils import Sense
from fetalt2prep.core.fit import Stop, fit
from fetalt2prep.core.kt.field import SeriesField, axes_of, make_field
from fetalt2prep.core.kt.options import KtOptions
from fetalt2prep.core.kt.static import static_coil_images
from fetalt2prep.core.kt.terms import nuclear_norm, plain_l2, relative_l2, spatial_variation, temporal_variation
from fetalt2prep.core.operator import apply

WARM_UP = 5  # steps


@dataclass(frozen=True)
class SeriesResult:
    """A fitted field and the series it gives; ``scale`` brings both back to the scale of the samples."""

    field: SeriesField
    frames: Tensor  # (frame, y, x) complex, scale of the samples
    scale: float
    stop: Stop
    losses: dict[str, tuple[float, ...]]
    notes: tuple[str, ...]

    @torch.no_grad()
    def query(self, axes: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Series at any frames and pixels (product of three axes), (t, y, x)."""
        return self.field(axes) * self.scale


@dataclass
class SeriesMethod:
    """A :class:`~fetalt2prep.core.fit.Method`: Adam on the field, all samples at every step."""

    field: SeriesField
    sense: Sense
    samples: Tensor  # unit scale
    options: KtOptions
    terms: dict[str, list[float]] = field(default_factory=dict)
    _latest: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n_frames = len(self.samples)
        at_once = self.options.frames_at_once or n_frames
        groups = torch.arange(n_frames, device=self.samples.device).split(at_once)
        self._batches = [(g, self.sense if len(groups) == 1 else self.sense.select(g)) for g in groups]
        self._axes = axes_of((n_frames, *self.field.still.shape[1:]), self.samples.device)
        network = list(self.field.layers.parameters())
        grids = [p for p in self.field.parameters() if not any(p is other for other in network)]
        rate = self.options.learning_rate
        if self.options.field == "siren":
            rate /= 20  # of a network all of whose weights turn every pixel
        self._optimiser = torch.optim.Adam(
            [{"params": grids}, {"params": network}], lr=rate, betas=(0.9, 0.98), eps=1e-15
        )
        self._rates = [rate, min(rate, 2e-3)]

    def start(self) -> SeriesField:
        """The field as it was made."""
        return self.field

    def step(self, state: SeriesField, i: int) -> tuple[SeriesField, Tensor]:
        """One step; the gradient of the data is gathered frame group by frame group, so that memory is bounded."""
        options = self.options
        pace = min(1.0, (i + 1) / WARM_UP) * (0.49 * (1 + math.cos(math.pi * i / options.n_steps)) + 0.02)
        for group, rate in zip(self._optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * pace
        state.n_awake = awake(i, options, state.encoding.n_levels)
        series = state(self._axes)
        leaf = series.detach().requires_grad_()
        loss = leaf.new_zeros((), dtype=torch.float32)
        for frames, sense in self._batches:
            part = self._data(apply(sense, leaf[frames]), self.samples[frames])
            part.backward()
            loss = loss + part.detach()
        self._latest = {"data": loss} | self._penalise(leaf)
        assert leaf.grad is not None
        self._optimiser.zero_grad()
        series.backward(leaf.grad)
        self._optimiser.step()
        return state, torch.stack(list(self._latest.values())).sum()

    def note(self, i: int, value: float) -> None:
        """Keep the terms of the loss at this step, as they are called."""
        for name, term in self._latest.items():
            self.terms.setdefault(name, []).append(float(term))

    def snapshot(self, state: SeriesField) -> SeriesField:
        """A copy."""
        return copy.deepcopy(state)

    def _data(self, predicted: Tensor, samples: Tensor) -> Tensor:
        """Mean over all samples of all frames, relative to epsilon."""
        options = self.options
        if options.data_term == "relative":
            return options.epsilon * relative_l2(predicted, samples, options.epsilon) / self._n
        return plain_l2(predicted, samples) / self._n

    @property
    def _n(self) -> int:
        """Number of unknowns: the weights of the penalties then mean the same at every size and acceleration."""
        return self.samples.shape[0] * math.prod(self.field.still.shape[1:])

    def _penalise(self, leaf: Tensor) -> dict[str, Tensor]:
        """Weighted penalties, whose gradients are added to the series; none of a single frame."""
        options, n = self.options, self._n
        pixels = math.sqrt(math.prod(leaf.shape[1:]))  # noise of 1 has singular values of about so much
        terms = {
            "temporal_tv": (options.temporal_tv / n, temporal_variation),
            "spatial_tv": (options.spatial_tv / n, spatial_variation),
            "low_rank": (options.low_rank * pixels / n, nuclear_norm),
        }
        found = {}
        for name, (weight, term) in terms.items():
            if weight > 0 and (len(leaf) > 1 or name == "spatial_tv"):
                value = weight * term(leaf)
                value.backward()
                found[name] = value.detach()
        return found


def awake(i: int, options: KtOptions, n_levels: int) -> int:
    """Levels that speak at step i: one more in each equal share of the time that ``coarse_to_fine`` gives."""
    ramp = options.coarse_to_fine * options.n_steps
    return n_levels if i >= ramp else min(n_levels, 1 + int(i / ramp * n_levels))


def fit_series(
    sense: Sense,
    samples: Tensor,
    options: KtOptions | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> SeriesResult:
    """Fit a field to samples (frame, coil, *sample) of one slice, in any scale, on the device where they are.

    ``on_step(i, loss)`` is called every ten steps. A series of one frame is fitted without the penalties, which
    tie frames to each other, and the notes say so. The same seed gives the same field.
    """
    options = KtOptions() if options is None else options
    check_samples(sense, samples)
    still = (sense.maps.conj() * static_coil_images(sense.fourier, samples)).sum(0)
    scale = float(still.abs().max())
    if not scale > 0:
        raise ValueError("the samples are zero everywhere: there is nothing to fit.")
    notes = []
    if len(samples) == 1:
        notes.append("one frame: low rank and temporal variation say nothing, the field is a regularised still image")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        start = still / scale if options.from_static else torch.zeros_like(still)
        series = make_field((len(samples), *sense.maps.shape[1:]), options, start)
    method = SeriesMethod(series, sense, samples / scale, options)

    def look(i: int, loss: float) -> None:
        method.note(i, loss)
        if on_step is not None:
            on_step(i, loss)

    done = fit(method, options.n_steps, on_step=look)
    fitted = done.state
    fitted.n_awake = fitted.encoding.n_levels
    with torch.no_grad():
        frames = fitted(axes_of((len(samples), *sense.maps.shape[1:]), still.device)) * scale
    losses = {name: tuple(values) for name, values in method.terms.items()}
    return SeriesResult(fitted, frames, scale, done.stop, losses, tuple(notes))


def check_samples(sense: Sense, samples: Tensor) -> None:
    """Refuse samples that are not finite, or of another number of coils than the maps."""
    if samples.ndim < 3 or len(samples) == 0:
        raise ValueError(f"samples are {tuple(samples.shape)}; (frame, coil, sample) with a frame at least is needed.")
    if samples.shape[1] != len(sense.maps):
        raise ValueError(f"the samples have {samples.shape[1]} coils, the maps {len(sense.maps)}: which are they of?")
    bad = int((~torch.isfinite(torch.view_as_real(samples))).any(-1).sum())
    if bad:
        raise ValueError(f"{bad} samples are NaN or infinite: leave their readouts out, or look at how they were read.")
