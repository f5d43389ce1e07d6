"""What a refinement is given: coarse maps and guides of one subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fetalt2prep.core.signal import SignalModel, SpinEcho
from fetalt2prep.core.truncation import KSpaceTruncation


@dataclass(frozen=True, kw_only=True)
class Guide:
    """A fine weighted image on the grid of the result."""

    name: str
    image: Tensor  # (*grid)
    model: SignalModel
    noise: float  # standard deviation, in the image's scale
    same_scale: bool = False
    """The scanner's scale of the coarse data: nothing between them was rescaled."""


@dataclass(frozen=True, kw_only=True)
class CoarseMaps:
    """Quantitative maps of a coarse scan, (*coarse) each, and how uncertain they are."""

    pd: Tensor
    t2_s: Tensor
    t1_s: Tensor | None = None
    sigma: float = 0.02
    """Relative standard error of each map's values."""
    te_s: tuple[float, ...] = ()
    """Echo times from which T2 was fitted; the anchor is then the signal at these times, see
    :func:`fetalt2prep.core.guided.stages.anchor_of`."""


def without_t1(model: SignalModel) -> SpinEcho:
    """A guide's sequence for maps without T1: what a spin echo's TR takes away is in the density, as in the maps.

    Raises
    ------
    ValueError
        The signal of the sequence cannot be told without T1.
    """
    if not isinstance(model, SpinEcho):
        raise ValueError(f"a guide of {type(model).__name__} depends on T1: give a coarse T1 map with it.")
    return SpinEcho(te_s=model.te_s)


def check_inputs(coarse: CoarseMaps, guides: Sequence[Guide], see: KSpaceTruncation, mask: Tensor) -> None:
    """Raise where shapes do not fit, values are not finite, or the mask is empty."""
    maps = {"pd": coarse.pd, "t2_s": coarse.t2_s} | ({} if coarse.t1_s is None else {"t1_s": coarse.t1_s})
    for name, values in maps.items():
        if tuple(values.shape) != see.coarse:
            raise ValueError(f"coarse map {name} has shape {tuple(values.shape)}; the coarse grid is {see.coarse}.")
        if not bool(torch.isfinite(values).all()):
            raise ValueError(f"coarse map {name} holds NaN or infinity; set voxels without an answer to zero.")
    fine = {"mask": mask} | {f"guide {g.name}": g.image for g in guides}
    for name, values in fine.items():
        if tuple(values.shape) != see.shape:
            raise ValueError(f"{name} has shape {tuple(values.shape)}; the fine grid is {see.shape}.")
        if not bool(torch.isfinite(values.float()).all()):
            raise ValueError(f"{name} holds NaN or infinity.")
    if not bool(mask.any()):
        raise ValueError("the mask is empty: there is nothing to refine.")
