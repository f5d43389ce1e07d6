"""Linear operators as a pair: forward and its exact adjoint."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor


class LinearOperator(Protocol):
    """``forward`` and ``adjoint`` satisfy <forward(x), y> = <x, adjoint(y)>; :func:`adjoint_mismatch` tests it."""

    def forward(self, x: Tensor) -> Tensor:
        """Domain to range."""
        ...

    def adjoint(self, y: Tensor) -> Tensor:
        """Range to domain."""
        ...


def apply(operator: LinearOperator, x: Tensor) -> Tensor:
    """``operator.forward(x)`` for autograd: the gradient goes back through ``operator.adjoint``."""
    result: Tensor = _Apply.apply(x, operator)  # type: ignore[no-untyped-call]
    return result


def adjoint_mismatch(operator: LinearOperator, x: Tensor, y: Tensor) -> float:
    """Relative difference of <forward(x), y> and <x, adjoint(y)>, in double precision; real or complex."""
    left, right = _inner(operator.forward(x), y), _inner(x, operator.adjoint(y))
    return float((left - right).abs() / torch.maximum(left.abs(), right.abs()).clamp(min=1e-30))


def _inner(a: Tensor, b: Tensor) -> Tensor:
    wide = torch.complex128 if a.is_complex() else torch.float64
    return (a.to(wide) * b.to(wide).conj()).sum()


class _Apply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, operator: LinearOperator) -> Tensor:
        ctx.operator = operator
        return operator.forward(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return ctx.operator.adjoint(grad), None
