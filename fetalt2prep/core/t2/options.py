"""What a user may choose about the T2 fit. Nothing heavy is imported: command lines read it."""

from __future__ import annotations

from dataclasses import dataclass

MODELS = ("weighted", "loglinear", "nlls", "rician", "epg", "epg-b1")
T2_RANGE_S = (0.01, 5.0)
"""Bounds of T2 unless others are asked for, seconds: wide enough for any tissue, and for fluid."""
MODEL_NAMES = {
    "weighted": "log-linear least squares, weighted by the signal",
    "loglinear": "log-linear least squares, every echo alike",
    "nlls": "bounded non-linear least squares",
    "rician": "Rician maximum likelihood",
    "epg": "least squares on an echo train by extended phase graphs, B1 given",
    "epg-b1": "least squares on an echo train by extended phase graphs, B1 fitted",
}


@dataclass(frozen=True, kw_only=True)
class T2Options:
    """Options of :func:`fetalt2prep.core.t2.estimate.estimate_t2`."""

    model: str = "weighted"
    """``weighted`` or ``loglinear``: least squares on the logarithm; ``nlls``: on the signal; ``rician``: maximum
    likelihood of magnitudes; ``epg``, ``epg-b1``: an echo train with stimulated echoes, B1 given or fitted."""
    t2_bounds_s: tuple[float, float] = T2_RANGE_S
    """A T2 at or beyond these bounds, seconds, is no answer."""
    floor: float = 0.0
    """Echoes at or below it, in the units of the echoes, are left out of the fit."""
    noise_floor: float = 0.0
    """The same in units of the noise: standard errors of the echoes, or their noise level. 2 leaves out what noise
    alone could be."""
    noise_sigma: float | None = None
    """Noise in each part of the complex signal, in the units of the echoes; None: from the standard errors of the
    echoes, else estimated. ``rician`` only."""
    echo_spacing_s: float | None = None
    """Between the echoes of the train, seconds. ``epg`` and ``epg-b1`` need it."""
    refocusing_deg: float | None = None
    """Nominal angle of the refocusing pulses. ``epg`` and ``epg-b1`` need it."""
    t1_s: float = 2.2
    """T1 that the echo train is computed with, seconds; T2 hardly depends on it."""

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise ValueError(f"T2 model {self.model!r} is unknown; choose one of {', '.join(MODELS)}.")
        if not 0 < self.t2_bounds_s[0] < self.t2_bounds_s[1] < float("inf"):
            given = ", ".join(f"{bound:g}" for bound in self.t2_bounds_s)
            raise ValueError(f"bounds of T2 are {given} s; give a positive lower one and a larger upper one.")
        if self.t2_bounds_s[0] >= 1.0:
            raise ValueError(f"the lower bound of T2 is {self.t2_bounds_s[0]:g} s; are the bounds in milliseconds?")
        if not self.floor >= 0:
            raise ValueError(f"the floor is {self.floor:g}; it must be 0 or more, in the units of the echoes.")
        if not self.noise_floor >= 0:
            raise ValueError(f"the noise floor is {self.noise_floor:g}; it must be 0 or more, in units of the noise.")
        if self.noise_sigma is not None and not self.noise_sigma > 0:
            raise ValueError(f"the noise is {self.noise_sigma:g}; it must be positive, in the units of the echoes.")
        if self.model.startswith("epg") and (self.echo_spacing_s is None or self.refocusing_deg is None):
            raise ValueError(f"T2 model {self.model} needs the echo spacing (s) and the refocusing angle (degrees).")


@dataclass(frozen=True, kw_only=True)
class T2Context:
    """What is known of a session besides its echoes: for tables of regions and the bias budget."""

    segmentation: str | None = None
    """Label map in the space of the reconstruction; None: classes of T2."""
    labels: str | None = None
    """``feta``, ``bounti``, ``dhcp`` or a TSV; None: the TSV beside the label map, or the set that its name holds."""
    element_mm3: float | None = None
    """Volume of what the scanner resolved: voxels within it are not independent."""
    gestational_age_weeks: float | None = None
    field_t: float | None = None
    refocusing_deg: float | None = None
    """Nominal refocusing angle of the protocol."""
    echo_spacing_s: float | None = None
    notes: tuple[str, ...] = ()
    """What was looked for and not found."""
