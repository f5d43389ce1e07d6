"""Do the masks of several stacks show the same head?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def distance_from_others_mm(centres_mm: NDArray[np.float64], limit_mm: float) -> NDArray[np.float64]:
    """Distance of each mask's centre, (stack, 3), world mm, from where most of them are, (stack,).

    The reference is the median position of those within the limit, found by leaving out the farthest one
    until all are within it. Of two that disagree neither can be believed: both get their distance from each
    other. NaN for a stack without a centre.
    """
    known = np.flatnonzero(np.isfinite(centres_mm).all(axis=1))
    distances = np.full(len(centres_mm), np.nan)
    if len(known) == 0:
        return distances
    among = known
    while True:  # at most one turn per stack
        if len(among) == 2:
            first, second = centres_mm[among]
            if (gap := float(np.linalg.norm(first - second))) > limit_mm:
                distances[known] = np.linalg.norm(centres_mm[known] - centres_mm[among].mean(0), axis=1)
                distances[among] = gap
                return distances
        middle = np.median(centres_mm[among], axis=0)
        away = np.linalg.norm(centres_mm[among] - middle, axis=1)
        if away.max() <= limit_mm:
            break
        among = np.delete(among, int(away.argmax()))
    distances[known] = np.linalg.norm(centres_mm[known] - middle, axis=1)
    return distances
