"""Field of the receive coils from all stacks of a session."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.core.bias.field import BiasField
from fetalt2prep.core.bias.log_mean import LogMean, log_mean
from fetalt2prep.core.stack import Stack

Smoother = Callable[[LogMean], NDArray[np.float32]]
"""Finds what is smooth in a log-signal: the log-field on its whole grid, (x, y, z)."""


def estimate_field(stacks: Sequence[Stack], smooth: Smoother) -> BiasField:
    """One field in scanner space for all positions and echo times of a session, with mean 1 inside the masks.

    The ratio of two echoes at a point of the scanner, which T2 is made of, stays what it was, whatever echo times each
    position has; and so does the ratio of two planes at that point, by which the reconstruction tells motion. A field
    of each position by itself would err in each in another way.

    Raises
    ------
    ValueError
        No stack has a pixel above 0 inside its mask.
    """
    mean = log_mean(stacks)
    return BiasField(smooth(mean), mean.grid).normalised(stacks)
