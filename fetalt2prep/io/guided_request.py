"""What is asked of guided super-resolution, by files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fetalt2prep.core.guided.options import GuidedOptions
from fetalt2prep.core.signal import SignalModel
from fetalt2prep.io.sidecar import InputError

ERROR = 0.02
"""Relative standard error of the coarse maps, where nothing is said of it."""


@dataclass(frozen=True, kw_only=True)
class GuideFile:
    """A weighted image and how it was acquired."""

    path: Path
    model: SignalModel
    same_scale: bool = False
    """Nothing rescaled it relative to the maps' S0."""


@dataclass(frozen=True, kw_only=True)
class GuidedRequest:
    """What is to be refined by what."""

    t2map: Path
    s0map: Path
    guides: Sequence[GuideFile]
    t1map: Path | None = None
    mask: Path | None = None
    """Where maps are wanted; None: where the coarse ones have a value."""
    te_s: tuple[float, ...] = ()
    """Echo times from which T2 was fitted, when known."""
    error: float = ERROR
    """Relative standard error of the coarse maps."""
    voxel_mm: float | None = None
    """Edge of the voxels of the result; None: those of the finest guide."""
    register: bool = True
    options: GuidedOptions = field(default_factory=GuidedOptions)
    method: str = "fit"
    """Of :data:`fetalt2prep.core.guided.options.METHODS`. The network knows ``options.use``, ``auto`` or ``signal``,
    and nothing of ``te_s``, ``error``, ``same_scale`` and the other options.
    """
    weights: Path | None = None
    """Of the network, as train-guided leaves them; None: those of the package."""

    def __post_init__(self) -> None:
        if not self.guides:
            raise InputError(f"{self.t2map.name}: no guide is given.")
        if not 0 < self.error < 1:
            raise InputError(f"the error of the maps is {self.error}; give a share between 0 and 1, such as 0.02.")
        if self.voxel_mm is not None and not self.voxel_mm > 0:
            raise InputError(f"voxels of {self.voxel_mm} mm are asked for; give millimetres above 0.")
