"""Options of the spatiotemporal field."""

from __future__ import annotations

from dataclasses import dataclass

FIELDS = ("grid", "hash", "siren")
DATA_TERMS = ("relative", "plain")


@dataclass(frozen=True, kw_only=True)
class KtOptions:
    """How an image series is fitted to its (k, t) samples; weights are relative to an image with a maximum of 1."""

    field: str = "grid"
    """grid: dense pyramid, read directly; hash: hash grid and small network (the published form); siren."""
    n_steps: int = 200
    """Of Adam, on all samples of all frames."""
    data_term: str = "plain"
    """relative: each sample's error over its predicted size, ``|r|^2 / (|k|^2 + epsilon)``; plain: ``|r|^2``."""
    epsilon: float = 0.1
    """Of the relative data term, squared scale of the samples; where signals are below its root, errors count alike."""
    temporal_tv: float = 0.015
    """Weight of total variation along time; lower it where nothing stands still."""
    spatial_tv: float = 0.00025
    """Weight of total variation within each frame."""
    low_rank: float = 0.0003
    """Weight of the nuclear norm of what moves."""
    coarse_to_fine: float = 0.3
    """Share of the steps over which the levels wake, coarse to fine; 0: all from the start."""
    balanced: bool = True
    """Of the grid: filter the gradient, so that k-space is fitted evenly; the same minimum, in fewer steps."""
    from_static: bool = True
    """Start at the image that all frames together show; else at nothing."""
    learning_rate: float = 0.01
    seed: int = 0
    frames_at_once: int = 0
    """Frames whose coil images are in memory together; 0: all. The result is the same."""

    def __post_init__(self) -> None:
        for name, known in (("field", FIELDS), ("data_term", DATA_TERMS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}; known are {', '.join(known)}.")
        for name in ("n_steps", "epsilon", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0.")
        for name in ("temporal_tv", "spatial_tv", "low_rank", "coarse_to_fine", "frames_at_once"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more.")
