"""Terms of the field's loss: relative data error, temporal total variation, nuclear norm."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

ROUND = 1e-3  # image scale: below, variation is round and not pointed, which Adam could not settle on
JITTER = 1e-8  # share of the mean eigenvalue: the gradient of a root at 0 is infinite
NOTHING = 1e-12  # power of a series that does not move at all, as it is at the start


def relative_l2(predicted: Tensor, samples: Tensor, epsilon: float) -> Tensor:
    """Sum of ``|r|^2 / (|k|^2 + epsilon)``, k the prediction without its gradient: what is far out counts too."""
    size = predicted.detach().abs().square() + epsilon
    return ((predicted - samples).abs().square() / size).sum()


def temporal_variation(series: Tensor) -> Tensor:
    """Sum of ``|x_(t+1) - x_t|`` over (frame, y, x); the modulus of a complex difference."""
    return torch.view_as_real(series[1:] - series[:-1]).square().sum(-1).add(ROUND**2).sqrt().sum()


def spatial_variation(series: Tensor) -> Tensor:
    """Sum over (frame, y, x) of the length of the gradient along y and x, forward differences."""
    parts = torch.view_as_real(series)
    down = F.pad(parts[:, 1:] - parts[:, :-1], (0, 0, 0, 0, 0, 1))
    right = F.pad(parts[:, :, 1:] - parts[:, :, :-1], (0, 0, 0, 1))
    return (down.square() + right.square()).sum(-1).add(ROUND**2).sqrt().sum()


def nuclear_norm(series: Tensor) -> Tensor:
    """Sum of singular values of the Casorati matrix (frame, pixel) of what departs from the mean over time.

    By the eigenvalues of its small Gram matrix. The mean, the largest singular value by far, is left out: a penalty on
    it would only make the image darker.
    """
    flat = (series - series.mean(0)).flatten(1)
    gram = flat @ flat.mH
    ridge = JITTER * gram.detach().diagonal().real.mean().clamp(min=NOTHING)
    values = torch.linalg.eigvalsh(gram + ridge * torch.eye(len(gram), dtype=gram.dtype, device=gram.device))
    return values.clamp(min=float(ridge)).sqrt().sum()
