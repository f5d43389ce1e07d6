"""Fields of the receive coils from the stacks of a session."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.core.bias.field import BiasField
from fetalt2prep.core.bias.log_mean import LogMean, log_mean
from fetalt2prep.core.bias.positions import positions
from fetalt2prep.core.stack import Stack

Smoother = Callable[[LogMean], NDArray[np.float32]]
"""Finds what is smooth in a log-signal: the log-field on its whole grid, (x, y, z)."""


def estimate_fields(stacks: Sequence[Stack], smooth: Smoother) -> list[tuple[list[int], BiasField]]:
    """One field for each position (:func:`.positions.positions`), mean 1 inside the masks, and its stacks' indices.

    Every echo time of a session is divided by the same fields, so that the ratio of two echoes at a point of the
    scanner, which T2 is made of, stays what it was.

    Raises
    ------
    ValueError
        No stack of a position has a pixel above 0 inside its mask.
    """
    found = []
    for group in positions(stacks):
        own = [stacks[index] for index in group]
        mean = log_mean(own)
        found.append((group, BiasField(smooth(mean), mean.grid).normalised(own)))
    return found
