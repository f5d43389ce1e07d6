"""A smooth function of space with few parameters: what a receive coil does to a logarithm of signal."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

DEGREE = 3
POWERS = tuple(p for p in itertools.product(range(DEGREE + 1), repeat=3) if sum(p) <= DEGREE)
RIDGE = 1e-3  # of the weight at hand, on every term but the constant


@dataclass(frozen=True)
class SmoothField:
    """Polynomial of degree 3 in world position; the same on every lattice."""

    coefficients: Tensor  # (20,) in the order of POWERS
    centre_mm: Tensor  # (3,)
    radius_mm: float
    """Positions are counted in it from the centre, and no further out than 1.5 of it: polynomials explode."""

    @classmethod
    def constant(cls, value: float) -> SmoothField:
        """The same value everywhere."""
        coefficients = torch.zeros(len(POWERS))
        coefficients[0] = value
        return cls(coefficients, torch.zeros(3), 1.0)

    @classmethod
    def around(cls, points_mm: Tensor, weights: Tensor) -> SmoothField:
        """Zero everywhere, with the centre and twice the spread of weighted points (n, 3) as its own."""
        share = (weights / weights.sum())[:, None]
        centre = (share * points_mm).sum(0)
        radius = 2.0 * float((share * (points_mm - centre).square()).sum().sqrt())
        return cls(torch.zeros(len(POWERS), device=weights.device), centre, max(radius, 1.0))

    @classmethod
    def fitted(cls, points_mm: Tensor, values: Tensor, weights: Tensor) -> SmoothField:
        """Weighted least squares; points (n, 3), values and weights (n,), some weight above zero."""
        field = cls.around(points_mm, weights)
        share = (weights / weights.sum())[:, None]
        terms = field.terms(points_mm).double()
        ridge = torch.full((len(POWERS),), RIDGE, dtype=torch.float64, device=values.device)
        ridge[0] = 0.0
        normal = terms.T @ (terms * share) + torch.diag(ridge)
        coefficients = torch.linalg.solve(normal, terms.T @ (share[:, 0].double() * values.double()))
        return cls(coefficients.float(), field.centre_mm, field.radius_mm)

    def at(self, points_mm: Tensor) -> Tensor:
        """Values at world points, (n, 3) -> (n,)."""
        return self.terms(points_mm) @ self.coefficients.to(points_mm.device)

    def terms(self, points_mm: Tensor) -> Tensor:
        """Monomials at points, (n, 3) -> (n, 20)."""
        position = (points_mm - self.centre_mm.to(points_mm.device)) / self.radius_mm
        length = position.norm(dim=1, keepdim=True)
        position = position * (1.5 / length.clamp(min=1.5))
        powers = [torch.ones_like(position)]
        for _ in range(DEGREE):
            powers.append(powers[-1] * position)
        return torch.stack([powers[i][:, 0] * powers[j][:, 1] * powers[k][:, 2] for i, j, k in POWERS], 1)
