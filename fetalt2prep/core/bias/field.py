"""A bias field: sampled on a coarse grid, asked anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from fetalt2prep.core.geometry import Grid
from fetalt2prep.core.stack import Stack


@dataclass(frozen=True)
class BiasField:
    """What the coils multiply the signal by, in scanner space."""

    log_field: NDArray[np.float32]  # (x, y, z)
    grid: Grid

    def on(self, stack: Stack) -> NDArray[np.float32]:
        """The field at every pixel of a stack, (x, y, slice); beyond the grid its nearest value."""
        index = np.moveaxis(np.indices(stack.pixels.shape), 0, -1)
        points = torch.from_numpy(index @ stack.affine[:3, :3].T + stack.affine[:3, 3])
        place = np.moveaxis(self.grid.index_of(points).numpy(), -1, 0)
        log_field = ndimage.map_coordinates(self.log_field.astype(np.float64), place, order=1, mode="nearest")
        return np.exp(log_field).astype(np.float32)

    def normalised(self, stacks: Sequence[Stack]) -> BiasField:
        """The same field with mean 1 over all pixels inside the masks of these stacks."""
        values = np.concatenate([self.on(stack)[stack.mask] for stack in stacks])
        return replace(self, log_field=self.log_field - np.float32(np.log(values.mean(dtype=np.float64))))


def unbiased(stack: Stack, field: NDArray[np.float32]) -> Stack:
    """The stack divided by the field at its pixels (:meth:`BiasField.on`); on the same intensity scale."""
    return replace(stack, pixels=stack.pixels / field)
