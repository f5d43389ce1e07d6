"""What the joint reconstruction returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.core.recon.fitted import FittedField


@dataclass(frozen=True, kw_only=True)
class Recon:
    """Reconstructed echoes on one world-aligned grid, with the slice table and the doubt."""

    te_s: NDArray[np.float64]
    """(echo,) ascending."""
    echoes: NDArray[np.float32]
    """(echo, x, y, z), scanner units, 0 outside the mask."""
    echo_stderr: NDArray[np.float32]
    """(echo, x, y, z), standard error of each echo, NaN outside the mask."""
    residual: NDArray[np.float32]
    """(x, y, z), RMS of measured minus predicted pixels carried back to the grid, NaN outside the mask."""
    density: NDArray[np.float32]
    """(echo, x, y, z), effective number of slices that measure each point, NaN outside the mask."""
    mask: NDArray[np.bool_]
    """(x, y, z)."""
    affine: NDArray[np.float64]
    """(4, 4), grid index to world millimetres."""
    slices: dict[str, NDArray[np.generic]]
    """One row per slice: pose, gain, weight, residual, status and its reason."""
    info: dict[str, object]
    """JSON-ready account of the run: model, steps, stop, noise, losses, seconds per stage, notes."""
    field: FittedField | None = None
    """The fitted field, for other resolutions and orientations; None where only volumes are known."""
