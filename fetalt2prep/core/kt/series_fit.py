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
from fetalt2prep.core.kt.balance import balance
from fetalt2prep.core.kt.data_term import DataTerm, PlainError, RelativeError
from fetalt2prep.core.kt.field import SeriesField, axes_of, make_field
from fetalt2prep.core.kt.options import KtOptions
from fetalt2prep.core.kt.static import static_coil_images
from fetalt2prep.core.kt.terms import nuclear_norm, spatial_variation, temporal_variation
from fetalt2prep.core.normal_op import Convolution

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
    data: DataTerm
    filtered: Convolution | None  # of the gradient with respect to the series
    shape: tuple[int, int, int]  # (frame, y, x)
    options: KtOptions
    terms: dict[str, list[float]] = field(default_factory=dict)
    _latest: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._axes = axes_of(self.shape, self.field.still.device)
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
        """One step: the gradient of every term with respect to the series, then back through the field at once."""
        options = self.options
        pace = min(1.0, (i + 1) / WARM_UP) * (0.49 * (1 + math.cos(math.pi * i / options.n_steps)) + 0.02)
        for group, rate in zip(self._optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * pace
        state.n_awake = awake(i, options, state.encoding.n_levels)
        series = state(self._axes)
        leaf = series.detach().requires_grad_()
        error, gradient = self.data(leaf.detach())
        leaf.grad = gradient / self._n
        self._latest = {"data": error / self._n} | self._penalise(leaf)
        gradient = leaf.grad if self.filtered is None else self.filtered(leaf.grad[:, None])[:, 0]
        self._optimiser.zero_grad()
        series.backward(gradient)
        self._optimiser.step()
        return state, torch.stack(list(self._latest.values())).sum()

    def note(self, i: int, value: float) -> None:
        """Keep the terms of the loss at this step, as they are called."""
        for name, term in self._latest.items():
            self.terms.setdefault(name, []).append(float(term))

    def snapshot(self, state: SeriesField) -> SeriesField:
        """A copy."""
        return copy.deepcopy(state)

    @property
    def _n(self) -> int:
        """Number of unknowns: the weights of the penalties then mean the same at every size and acceleration."""
        return math.prod(self.shape)

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
    shape = (len(samples), sense.maps.shape[1], sense.maps.shape[2])
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
        series = make_field(shape, options, start, (sense.maps != 0).any(0).to(torch.float32))
    even = options.balanced and options.field == "grid"  # a network behind the series is not a matter of k-space alone
    filtered = balance(sense.fourier, shape[1:]) if even else None
    method = SeriesMethod(series, _data_term(sense, samples / scale, options), filtered, shape, options)

    def look(i: int, loss: float) -> None:
        method.note(i, loss)
        if on_step is not None:
            on_step(i, loss)

    done = fit(method, options.n_steps, on_step=look)
    fitted = done.state
    fitted.n_awake = fitted.encoding.n_levels
    with torch.no_grad():
        frames = fitted(axes_of(shape, still.device)) * scale
    losses = {name: tuple(values) for name, values in method.terms.items()}
    return SeriesResult(fitted, frames, scale, done.stop, losses, tuple(notes))


def _data_term(sense: Sense, samples: Tensor, options: KtOptions) -> DataTerm:
    if options.data_term == "relative":
        return RelativeError(sense, samples, options.epsilon, options.frames_at_once)
    return PlainError(sense, samples, options.frames_at_once)


def check_samples(sense: Sense, samples: Tensor) -> None:
    """Refuse samples that are not finite, or of another number of coils than the maps."""
    if samples.ndim < 3 or len(samples) == 0:
        raise ValueError(f"samples are {tuple(samples.shape)}; (frame, coil, sample) with a frame at least is needed.")
    if samples.shape[1] != len(sense.maps):
        raise ValueError(f"the samples have {samples.shape[1]} coils, the maps {len(sense.maps)}: which are they of?")
    check_finite(samples)


def check_finite(samples: Tensor) -> None:
    """Refuse samples that are not finite."""
    bad = int((~torch.isfinite(torch.view_as_real(samples))).any(-1).sum())
    if bad:
        raise ValueError(f"{bad} samples are NaN or infinite: leave their readouts out, or look at how they were read.")
