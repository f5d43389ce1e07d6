"""What a user may choose about the joint reconstruction."""

from __future__ import annotations

from dataclasses import dataclass

MODELS = ("sc", "mc", "mcreg", "bridge", "decay")
MOTIONS = ("free", "siren")
FIELDS = ("grid", "hash", "siren", "siren-compact")
PROFILES = ("box", "gaussian")
COIL_FIELDS = ("on", "off")


@dataclass(frozen=True, kw_only=True)
class ReconOptions:
    """Options of :func:`fetalt2prep.core.recon.joint.reconstruct`."""

    model: str = "decay"
    """``sc``: one field per echo; ``mc``: one shared field; ``mcreg``: ``mc`` with the decay penalty;
    ``decay``: the shared field gives log S0 and R2, and the echoes follow exactly; ``bridge``: ``decay`` with a small
    departure from it per echo."""
    field: str = "grid"
    """``grid``: multi-resolution grid encoding with a small network; ``hash``: the same with hash tables; ``siren``:
    sinusoidal network of the published size, 330 x 7; ``siren-compact``: a small one."""
    resolution_mm: float = 0.8
    """Isotropic spacing of the reconstructed volumes, mm."""
    alpha: float | None = None
    """Weight of the decay penalty (``mcreg``, ``bridge``); None: the rules of :mod:`fetalt2prep.core.recon.penalty`."""
    motion: str = "free"
    """``free``: six parameters per slice; ``siren``: one small network gives the poses of all slices, as published."""
    profile: str = "box"
    """Through-plane profile of a slice: ``box`` of one thickness with rounded edges, or ``gaussian``."""
    coil_field: str = "on"
    """``on``: a smooth factor that stays in the scanner is fitted beside the volumes, the same at all echo times."""
    seed: int = 0
    """Seed of the network initialisation."""
    device: str = "cpu"
    """``cpu``, ``cuda`` or ``cuda:n``."""
    mem_mb: int | None = None
    """Memory for the whole process on the processor, MB; None: no limit. A GPU's own memory is its limit."""

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise ValueError(f"Reconstruction model {self.model!r} is unknown; choose one of {', '.join(MODELS)}.")
        if self.field not in FIELDS:
            raise ValueError(f"Reconstruction field {self.field!r} is unknown; choose one of {', '.join(FIELDS)}.")
        if self.profile not in PROFILES:
            raise ValueError(f"Slice profile {self.profile!r} is unknown; choose one of {', '.join(PROFILES)}.")
        if self.coil_field not in COIL_FIELDS:
            raise ValueError(f"Coil field {self.coil_field!r} is unknown; choose one of {', '.join(COIL_FIELDS)}.")
        if self.motion not in MOTIONS:
            raise ValueError(f"Reconstruction motion {self.motion!r} is unknown; choose one of {', '.join(MOTIONS)}.")
        if not 0.3 <= self.resolution_mm <= 4.0:
            raise ValueError(f"Reconstruction resolution is {self.resolution_mm} mm; give 0.3 to 4.0 mm.")
        if self.mem_mb is not None and self.mem_mb < 1:
            raise ValueError(f"The reconstruction's memory is {self.mem_mb} MB; give at least 1 MB, or none.")
        if self.alpha is not None and self.alpha < 0:
            raise ValueError(f"The decay penalty's weight is {self.alpha}; it cannot be negative.")
