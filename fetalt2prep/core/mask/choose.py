"""Which of two ways of looking for the brain is believed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.core.mask.classical import find_brain
from fetalt2prep.core.mask.guess import BrainGuess
from fetalt2prep.core.mask.learned import MaskModel, find_brain_learned

METHODS = ("network", "classical")
MIN_NETWORK = 0.5
"""Below this confidence the network's answer is compared with that of the classical method."""


@dataclass(frozen=True, kw_only=True)
class ChosenMask:
    """The mask that is used, and where it comes from."""

    guess: BrainGuess
    source: str
    """``network`` or ``classical``; of an empty mask, what was tried first."""


def choose_brain(
    pixels: NDArray[np.float32], affine: NDArray[np.float64], load_model: Callable[[], MaskModel] | None
) -> ChosenMask:
    """Look for the brain with the network, if there is one, and fall back on the classical method.

    The classical method is asked when the network finds nothing or its confidence is below ``MIN_NETWORK``; it is
    believed when its own confidence is higher. Never raises because nothing was found: the mask is then empty, its
    confidence 0, and the reasons say what was missing. Parameters as in
    :func:`fetalt2prep.core.mask.learned.find_brain_learned`; ``load_model``: None asks the classical method alone.
    """
    if load_model is None:
        guess = _attempt(lambda: find_brain(pixels, affine), pixels.shape)
        return ChosenMask(guess=guess, source="classical")
    model = load_model()
    learned = _attempt(lambda: find_brain_learned(pixels, affine, model), pixels.shape)
    if learned.confidence >= MIN_NETWORK:
        return ChosenMask(guess=learned, source="network")
    classical = _attempt(lambda: find_brain(pixels, affine), pixels.shape)
    if classical.confidence > learned.confidence:
        note = f"the network's confidence was {learned.confidence:.2f} ({'; '.join(learned.reasons)})"
        return ChosenMask(guess=_with_reason(classical, note), source="classical")
    note = f"the classical method's confidence was {classical.confidence:.2f}"
    return ChosenMask(guess=_with_reason(learned, note), source="network")


def _attempt(find: Callable[[], BrainGuess], shape: tuple[int, ...]) -> BrainGuess:
    """What was found, or an empty mask with the reason."""
    try:
        return find()
    except ValueError as error:
        return BrainGuess(mask=np.zeros(shape, np.bool_), confidence=0.0, reasons=(str(error),))


def _with_reason(guess: BrainGuess, reason: str) -> BrainGuess:
    return BrainGuess(mask=guess.mask, confidence=guess.confidence, reasons=(*guess.reasons, reason))
