"""What the field is compared with, on the same operators: adjoint, CG-SENSE, temporal total variation, L + S.

All take samples on a scale where the image has a maximum near 1, and minimise with density-weighted data,
``1/2 |sqrt(w) (A x - y)|^2``, as the papers do: their steps then see a nearly isotropic problem. They start at the
adjoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import torch
from torch import Tensor

from fetalt2prep.core.coils import Sense
from fetalt2prep.core.conjugate_gradients import OnStep, conjugate_gradients
from fetalt2prep.core.normal_op import SeriesNormal

POWER_STEPS = 12
DUAL_STEPS = 12
ROWS_AT_ONCE = 8


@dataclass(frozen=True)
class Weighted:
    """Density-weighted normal equations of an operator: ``gram(x) = A^H w A x``, ``right = A^H w y``."""

    sense: Sense
    samples: Tensor

    @property
    def weight(self) -> Tensor:
        """(frame, 1, *sample)."""
        return self.sense.fourier.density

    @cached_property
    def right(self) -> Tensor:
        """Density-compensated adjoint, (frame, y, x)."""
        return self.sense.adjoint(self.weight * self.samples)

    @cached_property
    def gram(self) -> SeriesNormal:
        """Normal operator."""
        return self.sense.normal(self.weight)

    def scaled(self) -> Tensor:
        """``right`` at the scale that explains the samples best."""
        image = self.right
        return image * (image.abs().square().sum() / (image.conj() * self.gram(image)).real.sum())

    def largest(self, like: Tensor) -> float:
        """Largest eigenvalue of the normal operator, by power iteration."""
        generator = torch.Generator().manual_seed(0)
        vector = torch.randn(like.shape, dtype=like.dtype, generator=generator).to(like.device)
        size = 1.0
        for _ in range(POWER_STEPS):
            vector = self.gram(vector)
            size = float(torch.linalg.vector_norm(vector))
            vector = vector / size
        return size


def adjoint(sense: Sense, samples: Tensor) -> Tensor:
    """Density-compensated adjoint, (frame, y, x), at the scale that explains the samples best."""
    return Weighted(sense, samples).scaled()


def cg_sense(sense: Sense, samples: Tensor, weight: float, n_steps: int = 30, on_step: OnStep | None = None) -> Tensor:
    """Frames by themselves: ``(A^H w A + weight L) x = A^H w y`` by conjugate gradients (doi:10.1002/mrm.1241).

    L: the largest eigenvalue of ``A^H w A``, so that ``weight`` means the same for all data.
    """
    weighted = Weighted(sense, samples)
    right = weighted.right
    ridge = weight * weighted.largest(right)
    return conjugate_gradients(lambda x: weighted.gram(x) + ridge * x, right, n_steps, on_step=on_step)


def temporal_tv(
    sense: Sense, samples: Tensor, weight: float, n_steps: int = 80, on_step: OnStep | None = None
) -> Tensor:
    """``1/2 |sqrt(w) (A x - y)|^2 / L + weight sum |x_(t+1) - x_t|`` (GRASP, doi:10.1002/mrm.24980) by FISTA.

    ``on_step(i, change)`` gets the relative change of the series.
    """
    return _last(temporal_tv_iterates(sense, samples, weight), n_steps, on_step)


def temporal_tv_iterates(sense: Sense, samples: Tensor, weight: float) -> Iterator[Tensor]:
    """What :func:`temporal_tv` has after one step, two, and so on: nothing in it holds back noise that lasts.

    The step's shrinkage, total variation along time, is solved in its dual and started from the last one.
    """
    weighted = Weighted(sense, samples)
    right = weighted.right
    largest = weighted.largest(right)
    x = weighted.scaled()
    ahead, pace = x, 1.0
    dual = torch.zeros_like(x[1:])
    while True:
        gradient = (weighted.gram(ahead) - right) / largest
        fresh, dual = _shrink_differences(ahead - gradient, weight, dual)
        next_pace = (1 + (1 + 4 * pace**2) ** 0.5) / 2
        ahead = fresh + (pace - 1) / next_pace * (fresh - x)
        x, pace = fresh, next_pace
        yield x


def low_rank_plus_sparse(
    sense: Sense,
    samples: Tensor,
    weight_low_rank: float,
    weight_sparse: float,
    n_steps: int = 80,
    on_step: OnStep | None = None,
) -> Tensor:
    """L + S (doi:10.1002/mrm.25240): L of low rank over time, S sparse in its temporal Fourier transform.

    weight_low_rank: threshold of singular values, as share of the largest; weight_sparse: threshold of S, image scale.
    ``on_step(i, change)`` gets the relative change of the series.
    """
    return _last(low_rank_plus_sparse_iterates(sense, samples, weight_low_rank, weight_sparse), n_steps, on_step)


def low_rank_plus_sparse_iterates(
    sense: Sense, samples: Tensor, weight_low_rank: float, weight_sparse: float
) -> Iterator[Tensor]:
    """What :func:`low_rank_plus_sparse` has after one step, two, and so on."""
    weighted = Weighted(sense, samples)
    right = weighted.right
    largest = weighted.largest(right)
    total = weighted.scaled()
    sparse = torch.zeros_like(total)
    threshold = weight_low_rank * float(torch.linalg.matrix_norm(total.flatten(1), 2))
    while True:
        low = _shrink_singular(total - sparse, threshold)
        sparse = _shrink_spectrum(total - low, weight_sparse)
        both = low + sparse
        yield both
        total = both - (weighted.gram(both) - right) / largest


def _last(iterates: Iterator[Tensor], n_steps: int, on_step: OnStep | None) -> Tensor:
    """The iterate after ``n_steps``; on the way, how much each one changed."""
    x = next(iterates)
    for i, fresh in enumerate(islice(iterates, n_steps - 1), 2):
        change = torch.linalg.vector_norm(fresh - x) / torch.linalg.vector_norm(fresh).clamp(min=1e-30)
        x = fresh
        if on_step is not None:
            on_step(i, float(change))
    return x


def _shrink_differences(x: Tensor, weight: float, dual: Tensor) -> tuple[Tensor, Tensor]:
    """Minimiser of ``1/2 |z - x|^2 + weight sum |z_(t+1) - z_t|``, and its dual variable."""
    found, fresh = torch.empty_like(x), torch.empty_like(dual)
    for first in range(0, x.shape[1], ROWS_AT_ONCE):  # pixels are apart; few of them stay in the cache
        rows = slice(first, first + ROWS_AT_ONCE)
        here, force = x[:, rows], dual[:, rows]
        for _ in range(DUAL_STEPS):
            primal = here - _difference_adjoint(force)
            force = force + 0.25 * (primal[1:] - primal[:-1])
            force = force * (weight / force.abs().clamp(min=weight if weight > 0 else 1e30))
        found[:, rows], fresh[:, rows] = here - _difference_adjoint(force), force
    return found, fresh


def _difference_adjoint(dual: Tensor) -> Tensor:
    edge = torch.zeros_like(dual[:1])
    return torch.cat((edge, dual)) - torch.cat((dual, edge))


def _shrink_singular(x: Tensor, threshold: float) -> Tensor:
    """Singular values of the Casorati matrix (frame, pixel) less a threshold, through its small Gram matrix."""
    flat = x.flatten(1)
    values, vectors = torch.linalg.eigh(flat @ flat.mH)
    size = values.clamp(min=0).sqrt()
    kept = (1 - threshold / size.clamp(min=1e-30)).clamp(min=0)
    return ((vectors * kept) @ vectors.mH @ flat).reshape(x.shape)


def _shrink_spectrum(x: Tensor, threshold: float) -> Tensor:
    spectrum = torch.fft.fft(x, dim=0, norm="ortho")
    size = spectrum.abs()
    return torch.fft.ifft(spectrum * (1 - threshold / size.clamp(min=1e-30)).clamp(min=0), dim=0, norm="ortho")
