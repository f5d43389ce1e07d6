"""What looking for the brain gives, whichever way it is looked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class BrainGuess:
    """A brain mask and how far to trust it."""

    mask: NDArray[np.bool_]  # (x, y, slice)
    confidence: float
    """0 to 1; below about 0.5 the mask should be looked at before it is used."""
    reasons: tuple[str, ...]


def doubts(measures: Iterable[tuple[float, float, str]]) -> list[str]:
    """What lowers the confidence, in words; of each measure, 0 to 1, its value, the least that is good, and a text."""
    return [f"{text} ({value:.2f})" for value, least, text in measures if value < least]
