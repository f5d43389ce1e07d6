"""What the field is compared with, on the same operators: adjoint, CG-SENSE, temporal total variation, L + S.

All take samples on a scale where the image has a maximum near 1, and minimise with density-weighted data,
``1/2 |sqrt(w) (A x - y)|^2``, as the papers do: their steps then see a nearly isotropic problem. They start at the
adjoint.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fetalt2prep.core.coils import Sense
from fetalt2prep.core.conjugate_gradients import OnStep, conjugate_gradients

POWER_STEPS = 12
DUAL_STEPS = 12


@dataclass(frozen=True)
class Weighted:
    """Density-weighted normal equations of an operator: ``gram(x) = A^H w A x``, ``right = A^H w y``."""

    sense: Sense
    samples: Tensor

    @property
    def weight(self) -> Tensor:
        """(frame, 1, *sample)."""
        return self.sense.fourier.density

    def right(self) -> Tensor:
        """Density-compensated adjoint, (frame, y, x)."""
        return self.sense.adjoint(self.weight * self.samples)

    def gram(self, x: Tensor) -> Tensor:
        """Normal operator."""
        return self.sense.adjoint(self.weight * self.sense.forward(x))

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
    weighted = Weighted(sense, samples)
    image = weighted.right()
    gram = weighted.gram(image)
    return image * (image.abs().square().sum() / (image.conj() * gram).real.sum())


def cg_sense(sense: Sense, samples: Tensor, weight: float, n_steps: int = 30, on_step: OnStep | None = None) -> Tensor:
    """Frames by themselves: ``(A^H w A + weight L) x = A^H w y`` by conjugate gradients (doi:10.1002/mrm.1241).

    L: the largest eigenvalue of ``A^H w A``, so that ``weight`` means the same for all data.
    """
    weighted = Weighted(sense, samples)
    right = weighted.right()
    ridge = weight * weighted.largest(right)
    return conjugate_gradients(lambda x: weighted.gram(x) + ridge * x, right, n_steps, on_step=on_step)


def temporal_tv(
    sense: Sense, samples: Tensor, weight: float, n_steps: int = 80, on_step: OnStep | None = None
) -> Tensor:
    """``1/2 |sqrt(w) (A x - y)|^2 / L + weight sum |x_(t+1) - x_t|`` (GRASP, doi:10.1002/mrm.24980) by FISTA.

    The step's shrinkage, total variation along time, is solved in its dual and started from the last one.
    """
    weighted = Weighted(sense, samples)
    right = weighted.right()
    largest = weighted.largest(right)
    x = adjoint(sense, samples)
    ahead, pace = x, 1.0
    dual = torch.zeros_like(x[1:])
    for i in range(n_steps):
        gradient = (weighted.gram(ahead) - right) / largest
        fresh, dual = _shrink_differences(ahead - gradient, weight, dual)
        next_pace = (1 + (1 + 4 * pace**2) ** 0.5) / 2
        ahead = fresh + (pace - 1) / next_pace * (fresh - x)
        change = float(torch.linalg.vector_norm(fresh - x) / torch.linalg.vector_norm(fresh).clamp(min=1e-30))
        x, pace = fresh, next_pace
        if on_step is not None:
            on_step(i + 1, change)
    return x


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
    """
    weighted = Weighted(sense, samples)
    right = weighted.right()
    largest = weighted.largest(right)
    total = adjoint(sense, samples)
    sparse = torch.zeros_like(total)
    threshold = weight_low_rank * float(torch.linalg.matrix_norm(total.flatten(1), 2))
    for i in range(n_steps):
        low = _shrink_singular(total - sparse, threshold)
        sparse = _shrink_spectrum(total - low, weight_sparse)
        both = low + sparse
        fresh = both - (weighted.gram(both) - right) / largest
        change = float(torch.linalg.vector_norm(fresh - total) / torch.linalg.vector_norm(fresh).clamp(min=1e-30))
        total = fresh
        if on_step is not None:
            on_step(i + 1, change)
    return both


def _shrink_differences(x: Tensor, weight: float, dual: Tensor) -> tuple[Tensor, Tensor]:
    """Minimiser of ``1/2 |z - x|^2 + weight sum |z_(t+1) - z_t|``, and its dual variable."""
    for _ in range(DUAL_STEPS):
        primal = x - _difference_adjoint(dual)
        dual = dual + 0.25 * (primal[1:] - primal[:-1])
        dual = dual * (weight / dual.abs().clamp(min=weight if weight > 0 else 1e30))
    return x - _difference_adjoint(dual), dual


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
