"""How far a series is from its samples, and the gradient: the plain squared error, and the relative one."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from fetalt2prep.core.coils import Sense
from fetalt2prep.core.kt.terms import relative_l2
from fetalt2prep.core.operator import apply


class DataTerm(Protocol):
    """A squared error of all samples of all frames."""

    def __call__(self, series: Tensor) -> tuple[Tensor, Tensor]:
        """Value (scalar) and gradient (frame, y, x) at a series (frame, y, x)."""
        ...


class PlainError:
    """``|A x - y|^2 = <x, A^H A x - 2 A^H y> + |y|^2``: what a step costs does not depend on the number of samples."""

    def __init__(self, sense: Sense, samples: Tensor, frames_at_once: int = 0) -> None:
        """samples: (frame, coil, *sample)."""
        self._normal = sense.normal(frames_at_once=frames_at_once)
        self._seen = sense.adjoint(samples)
        self._power = samples.abs().square().sum(dtype=torch.float64)

    @torch.no_grad()
    def __call__(self, series: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`DataTerm`."""
        image = self._normal(series)
        product = (series.conj() * (image - 2 * self._seen)).real.sum(dtype=torch.float64)
        return (product + self._power).float(), 2 * (image - self._seen)


class RelativeError:
    """``epsilon`` times :func:`~fetalt2prep.core.kt.terms.relative_l2`; it needs every sample at every step."""

    def __init__(self, sense: Sense, samples: Tensor, epsilon: float, frames_at_once: int = 0) -> None:
        """frames_at_once: frames whose coil images are in memory together; 0: all."""
        self._samples, self._epsilon = samples, epsilon
        groups = torch.arange(len(samples), device=samples.device).split(frames_at_once or len(samples))
        self._batches = [(g, sense if len(groups) == 1 else sense.select(g)) for g in groups]

    def __call__(self, series: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`DataTerm`."""
        leaf = series.detach().requires_grad_()
        total = leaf.new_zeros((), dtype=torch.float32)
        for frames, sense in self._batches:
            part = self._epsilon * relative_l2(apply(sense, leaf[frames]), self._samples[frames], self._epsilon)
            part.backward()  # group by group, so that memory is bounded
            total = total + part.detach()
        assert leaf.grad is not None
        return total, leaf.grad
