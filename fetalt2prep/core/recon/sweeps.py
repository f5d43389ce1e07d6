"""Interleave packages: slices of a stack that one sweep of the scanner acquired, and that a movement shifts together.

An interleaved stack is acquired in sweeps: every second slice first and the others after, or every third, and so on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sweeps(slice_times_s: NDArray[np.float64] | None, n_slices: int) -> NDArray[np.int64]:
    """Package of every slice by its time, (slice,) -> (slice,), numbered in order of time; one without times.

    Slices one after the other in time belong to one sweep as long as they go the same way through the stack; a step
    back begins the next one. Slices of the same time were excited together and count as the first of them. Orders that
    would leave fewer than three slices to a package (random ones) have no packages: one.
    """
    if slice_times_s is None:
        return np.zeros(n_slices, dtype=np.int64)
    _, first, which = np.unique(slice_times_s, return_index=True, return_inverse=True)
    step = np.diff(first)
    if not len(step):
        return np.zeros(n_slices, dtype=np.int64)
    forward = np.sign(step).sum() or step[0]
    package = np.concatenate(([0], np.cumsum(np.sign(step) == -np.sign(forward))))
    if len(first) < 3 * (package[-1] + 1):
        package = np.zeros_like(package)
    return np.asarray(package[which], dtype=np.int64)
