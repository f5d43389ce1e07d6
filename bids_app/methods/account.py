"""What the methods text tells: what a run is to do, or what was done for one session."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Account:
    """Everything that a sentence of the methods text says. Of what is None, or empty, nothing is said.

    The names of methods are those of the options.
    """

    last: str
    """The last step: ``masks``, ``recon``, or ``all``."""
    version: str | None = None
    """Of fetalt2prep."""
    given: bool = False
    """Reconstructed volumes were given: nothing is told of stacks."""
    given_files: tuple[str, ...] = ()
    te_ms: tuple[float, ...] = ()
    """Distinct echo times of what was used, ascending."""
    n_stacks: int | None = None
    """Stacks that were used."""
    masks: frozenset[str] = frozenset()
    """Where the masks of the stacks come from: ``given``, ``network``, ``classical``."""
    mask_consensus: str | None = None
    denoise: str | None = None
    bias: str | None = None
    resolution_mm: float | None = None
    field: str | None = None
    model: str | None = None
    profile: str | None = None
    motion: str | None = None
    coil_field: str | None = None
    seed: int | None = None
    t2_model: str | None = None
    t2_bounds_s: tuple[float, float] | None = None
    t2_noise_floor: float | None = None
    """Echoes below that many times their noise are left out of the fit."""
    guided: str | None = None
    """T2 is refined by weighted images: ``auto`` where there are some, ``given`` in any case."""
