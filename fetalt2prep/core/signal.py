"""Signal models, each once."""

from __future__ import annotations

import torch
from torch import Tensor


def monoexponential(s0: Tensor, t2_s: Tensor, te_s: Tensor) -> Tensor:
    """Spin-echo signal at long TR, ``s0 * exp(-te / t2)``.

    s0, t2_s: (*grid); te_s: (echo,) -> (echo, *grid). Units of ``s0`` are kept.
    """
    return s0 * torch.exp(-te_s.reshape(-1, *[1] * s0.ndim) / t2_s)
