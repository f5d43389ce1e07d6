"""From frames of samples to an image series: whiten, compress, coil maps, then the method asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from fetalt2prep.core.coils import Sense, compress, espirit_maps, whiten, whitener
from fetalt2prep.core.kt.baselines import adjoint, cg_sense, low_rank_plus_sparse, temporal_tv
from fetalt2prep.core.kt.field import axes_of
from fetalt2prep.core.kt.frames import Frames
from fetalt2prep.core.kt.options import KtOptions
from fetalt2prep.core.kt.series_fit import SeriesResult, check_finite, check_samples, fit_series
from fetalt2prep.core.kt.static import static_coil_images

METHODS = ("inr", "adjoint", "cg-sense", "grasp", "l+s")
OnStep = Callable[[int, float], None]


@dataclass(frozen=True, kw_only=True)
class KtPlan:
    """What is done with the frames of a slice."""

    method: str = "inr"
    """inr (the field), adjoint, cg-sense, grasp (temporal total variation) or l+s (low rank plus sparse)."""
    n_coils: int | None = None
    """Virtual coils to compress to; None: as many as were measured."""
    interpolate_time: int = 1
    """Frames asked of the field for each frame measured."""
    inr: KtOptions = field(default_factory=KtOptions)
    cg_ridge: float = 0.01
    grasp_weight: float = 0.004
    low_rank_weight: float = 0.05
    sparse_weight: float = 0.01
    n_steps: int = 30
    """Of the methods other than the field; temporal total variation holds back no noise that lasts, later is worse."""

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"the method is {self.method!r}; known are {', '.join(METHODS)}.")
        if self.interpolate_time < 1:
            raise ValueError(f"interpolate_time is {self.interpolate_time}; it must be 1 or more.")
        if self.interpolate_time > 1 and self.method != "inr":
            raise ValueError(f"only inr knows what lies between frames; {self.method} cannot interpolate time.")
        if self.n_steps < 1:
            raise ValueError(f"n_steps is {self.n_steps}; it must be 1 or more.")
        for name in ("cg_ridge", "grasp_weight", "low_rank_weight", "sparse_weight"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more.")


@dataclass(frozen=True)
class KtSeries:
    """An image series (frame, y, x), complex, in the scale of the samples, and how it came about."""

    frames: Tensor
    times_s: Tensor  # (frame,)
    maps: Tensor  # (coil, y, x)
    acceleration: float
    losses: dict[str, tuple[float, ...]]
    notes: tuple[str, ...]
    fitted: SeriesResult | None


def reconstruct_series(
    frames: Frames,
    plan: KtPlan | None = None,
    *,
    noise: Tensor | None = None,
    maps: Tensor | None = None,
    at_s: Tensor | None = None,
    on_step: OnStep | None = None,
) -> KtSeries:
    """Reconstruct the frames of one slice, on the device where they are.

    noise: (coil, sample), for pre-whitening. maps: (coil, y, x); None: ESPIRiT of what all frames show together. They
    are of the coils as given, so that they exclude whitening and compression. at_s: (frame,), times of the frames to
    give (and ``interpolate_time`` between these), in place of those of ``frames``; of the field alone.
    """
    plan = KtPlan() if plan is None else plan
    if at_s is not None and plan.method != "inr":
        raise ValueError(f"only inr can be asked for any time; {plan.method} gives the frames that it has samples of.")
    samples, notes = frames.samples, list(frames.notes)
    if maps is not None and (noise is not None or plan.n_coils is not None):
        raise ValueError("coil maps of your own fit the coils as measured: leave out the noise and the compression.")
    if maps is None:
        check_finite(samples)
        samples = samples if noise is None else whiten(samples, whitener(noise))
        samples = samples if plan.n_coils is None else compress(samples, plan.n_coils)
        maps = espirit_maps(static_coil_images(frames.fourier, samples))
    sense = Sense(frames.fourier, maps)
    check_samples(sense, samples)
    losses: dict[str, list[float]] = {}

    def look(i: int, loss: float) -> None:
        losses.setdefault("loss", []).append(loss)
        if on_step is not None:
            on_step(i, loss)

    if plan.method == "inr":
        fitted = fit_series(sense, samples, plan.inr, look)
        asked_s = between(frames.times_s if at_s is None else at_s, plan.interpolate_time)
        _, y, x = axes_of((1, *maps.shape[1:]), maps.device)
        at = place_in_time(asked_s, frames.times_s).to(maps.device)
        terms = {name: tuple(values) for name, values in losses.items()} | fitted.losses
        result = KtSeries(fitted.query((at, y, x)), asked_s, maps, frames.acceleration, terms, (), fitted)
        return replace(result, notes=(*notes, *fitted.notes, fitted.stop.value))
    if len(samples) == 1 and plan.method in ("grasp", "l+s"):
        notes.append(f"one frame: {plan.method} has no time to regularise")
    series = _classical(sense, samples, plan, look)
    kept = {name: tuple(values) for name, values in losses.items()}
    return KtSeries(series, frames.times_s, maps, frames.acceleration, kept, tuple(notes), None)


def _classical(sense: Sense, samples: Tensor, plan: KtPlan, on_step: OnStep) -> Tensor:
    start = adjoint(sense, samples)
    if plan.method == "adjoint":
        return start
    scale = start.abs().max()  # weights are relative to an image with a maximum near 1
    unit = samples / scale
    if plan.method == "cg-sense":
        return scale * cg_sense(sense, unit, plan.cg_ridge, plan.n_steps, on_step)
    if plan.method == "grasp":
        return scale * temporal_tv(sense, unit, plan.grasp_weight, plan.n_steps, on_step)
    return scale * low_rank_plus_sparse(sense, unit, plan.low_rank_weight, plan.sparse_weight, plan.n_steps, on_step)


def between(times_s: Tensor, factor: int) -> Tensor:
    """Times of frames that were measured, and of those between them, (frame,) -> ((frame - 1) factor + 1,)."""
    if factor == 1 or len(times_s) == 1:
        return times_s
    at = torch.arange((len(times_s) - 1) * factor + 1, dtype=torch.float64) / factor
    low = at.floor().long().clamp(max=len(times_s) - 2)
    return times_s[low] + (at - low) * (times_s[low + 1] - times_s[low])


def place_in_time(asked_s: Tensor, times_s: Tensor) -> Tensor:
    """Times in units of frames, the field's coordinate: ``times_s[i]`` is i, between them it runs evenly; (frame,)."""
    return torch.from_numpy(np.interp(asked_s.numpy(), times_s.numpy(), np.arange(len(times_s)))).float()
