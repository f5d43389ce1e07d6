"""What a network of guided super-resolution can answer, and what it was trained for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fetalt2prep.core.guided.network import SLOTS, slot_of
from fetalt2prep.core.guided.options import GuidedOptions
from fetalt2prep.core.signal import Mprage, SignalModel, SpinEcho, SpoiledGradientEcho

INSTEAD = "take the fit of one subject (method fit)"
LEEWAY = 0.05  # of the ratio of voxels: grids are whole voxels
SEQUENCES: Mapping[str, tuple[type[SignalModel], ...]] = {"t1": (Mprage, SpoiledGradientEcho), "t2": (SpinEcho,)}
"""By the slot of the guide; what ``fetalt2prep.sim.guided.case`` draws."""
WORDS = {"t1": "MPRAGE or spoiled gradient echo as T1-weighted guide", "t2": "spin echo as T2-weighted guide"}


@dataclass(frozen=True, kw_only=True)
class TrainedOn:
    """Guides and grids of a training."""

    slots: tuple[str, ...] = SLOTS
    """Kinds of guide, of :data:`fetalt2prep.core.guided.network.SLOTS`."""
    finer: tuple[float, float] = (2.0, 4.0)
    """Fine voxels per coarse one along an axis, from and to."""


def check_answerable(models: Sequence[SignalModel], options: GuidedOptions, *, with_t1: bool) -> None:
    """Raise where a network has no inputs for what is asked: ``models``, sequences of the guides.

    Raises
    ------
    ValueError
        No T1 map; guides wanted for their edges; or two of one kind.
    """
    if not with_t1:
        raise ValueError(f"the network needs a coarse T1 map; give one, or {INSTEAD}.")
    if options.use == "edges":
        raise ValueError(f"the network uses guides as signals; for their edges alone, {INSTEAD}.")
    kinds = [slot_of(model) for model in models]
    if len(set(kinds)) < len(kinds):
        names = ", ".join(f"{kind.upper()}-weighted" for kind in kinds)
        raise ValueError(f"guides are {names}; the network takes one of each kind. Leave some out, or {INSTEAD}.")


def check_trained(models: Sequence[SignalModel], factors: Sequence[float], trained: TrainedOn) -> None:
    """Raise where a guide or a grid is of a kind that the network has not seen.

    Parameters
    ----------
    models
        Sequences of the guides.
    factors
        Fine voxels per coarse one along each axis.
    trained
        What the network has seen.

    Raises
    ------
    ValueError
        The text names the guide's sequence or the ratio of voxels, and what was trained.
    """
    seen = " and ".join(WORDS[slot] for slot in trained.slots)
    for n, model in enumerate(models, start=1):
        slot = slot_of(model)
        if slot not in trained.slots or not isinstance(model, SEQUENCES[slot]):
            name = f"{type(model).__name__}, {slot.upper()}-weighted"
            raise ValueError(f"guide {n} is {name}; the network was trained with {seen}. Instead, {INSTEAD}.")
    low, high = trained.finer
    if not low * (1 - LEEWAY) <= min(factors) <= max(factors) <= high * (1 + LEEWAY):
        ratio = " x ".join(f"{factor:.3g}" for factor in factors)
        raise ValueError(
            f"the result would have {ratio} voxels for each of the maps; the network was trained with {low:g} to "
            f"{high:g} along every axis. Ask for voxels of another size, or {INSTEAD}."
        )
