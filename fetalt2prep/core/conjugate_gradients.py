"""Conjugate gradients for normal equations, several right-hand sides side by side."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

OnStep = Callable[[int, float], None]


def conjugate_gradients(
    gram: Callable[[Tensor], Tensor],
    right: Tensor,
    n_steps: int,
    *,
    start: Tensor | None = None,
    tolerance: float = 0.0,
    on_step: OnStep | None = None,
) -> Tensor:
    """``x`` with ``gram(x) = right``, (problem, y, x): each problem has steps of its own, all take as many.

    gram: Hermitian, not negative. start: None is 0. tolerance: ends when the residual of every problem is below this
    share of its right-hand side. ``on_step(i, residual)`` gets the share over all problems.
    """
    x = torch.zeros_like(right) if start is None else start
    residual = right.clone() if start is None else right - gram(start)
    direction = residual.clone()
    power, whole = _power(residual), _power(right)
    for i in range(n_steps):
        if tolerance > 0 and bool((power <= tolerance**2 * whole).all()):
            break
        image = gram(direction)
        step = power / (direction.conj() * image).real.sum((1, 2), keepdim=True).clamp(min=1e-30)
        x = x + step * direction
        residual = residual - step * image
        fresh = _power(residual)
        direction = residual + fresh / power.clamp(min=1e-30) * direction
        power = fresh
        if on_step is not None:
            on_step(i + 1, float((power.sum() / whole.sum().clamp(min=1e-30)).sqrt()))
    return x


def _power(x: Tensor) -> Tensor:
    return x.abs().square().sum((1, 2), keepdim=True)
