"""What the slices measure of signals at the lattice's points: one linear operator for the field's fit."""

from __future__ import annotations

from torch import Tensor

from fetalt2prep.core.lattice_blur import LatticeBlur
from fetalt2prep.core.slice_op import SliceOperator


class Response:
    """A :class:`~fetalt2prep.core.operator.LinearOperator`: isotropic blur, then the slices' own profile and sampling.

    forward: (echo, n) at lattice points -> (pixel,); adjoint: the transpose. The signal is zero elsewhere.
    """

    def __init__(self, operator: SliceOperator, index: Tensor, blur_voxels: float) -> None:
        """index: flat grid indices of the lattice's points, (n,)."""
        self._sampling = operator.on_touched_points()
        self._blur = LatticeBlur(operator.grid, index, self._sampling.index, blur_voxels)

    def forward(self, x: Tensor) -> Tensor:
        """(echo, n) -> (pixel,)."""
        return self._sampling.forward(self._blur.forward(x.T.contiguous()))

    def adjoint(self, y: Tensor) -> Tensor:
        """(pixel,) -> (echo, n)."""
        return self._blur.adjoint(self._sampling.adjoint(y)).T.contiguous()
