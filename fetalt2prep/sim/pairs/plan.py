"""What is drawn before a pair is made: which part of the body, which contrast, how it is sampled, how much noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.core.signal import InversionRecovery, SignalModel, SpinEcho

PARTS = ("brain", "spine", "abdomen", "pelvis", "knee")
"""``brain``: of a fetus, in the uterus; the others of an adult."""
CONTRASTS = ("t2", "t1", "flair", "pd")
TE_S = (0.08, 0.7)
"""Echo times of the fetal brain; other parts have them below 0.2 s."""
SNR = (3.0, 40.0)
ACCELERATION = (1.5, 3.0)
PIXEL_MM = (0.8, 1.6)
LONGEST_ADULT_TE_S = 0.2
SPACING_S = (0.004, 0.006)
"""Between echoes of a single-shot train."""
IDENTITY_SHARE = 0.2
"""Of slices that are fully sampled and nearly free of noise: nothing is to be done to them."""
VOID_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class PairOptions:
    """What may be drawn."""

    parts: tuple[str, ...] = PARTS
    contrasts: tuple[str, ...] = CONTRASTS
    n_pixels: int = 144
    n_slices: int = 4
    """Slices of one scene; each has a plan of its own."""

    def __post_init__(self) -> None:
        for name, known in (("parts", PARTS), ("contrasts", CONTRASTS)):
            strange = set(getattr(self, name)) - set(known)
            if strange or not getattr(self, name):
                raise ValueError(f"{name} are {getattr(self, name)}; known are {', '.join(known)}.")
        if self.n_pixels < 64 or self.n_pixels % 2 or self.n_slices < 1:
            raise ValueError(f"{self.n_pixels} pixels and {self.n_slices} slices: 64 or more and even, and 1 or more.")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How one slice is measured; seconds and millimetres."""

    contrast: str
    te_s: float
    snr: float
    """Mean signal of the object over the noise of one channel in a fully sampled image."""
    acceleration: float
    partial_fourier: float
    n_calibration: int
    """Lines in the middle of k-space that are all measured."""
    acquired_share: float
    """Of the matrix along both axes; the rest is filled with zeros, which makes the noise smooth."""
    spacing_s: float
    voids: bool
    n_coils: int = 6

    @property
    def model(self) -> SignalModel:
        """The sequence."""
        if self.contrast == "t1":
            return SpinEcho(te_s=self.te_s, tr_s=0.55)
        if self.contrast == "flair":
            return InversionRecovery(te_s=self.te_s, ti_s=2.4, tr_s=9.0)
        if self.contrast == "pd":
            return SpinEcho(te_s=self.te_s, tr_s=3.0)
        return SpinEcho(te_s=self.te_s)

    @property
    def single_shot(self) -> bool:
        """Whether all lines come from one long train, whose decay blurs."""
        return self.contrast == "t2"


def draw_plan(rng: np.random.Generator, part: str, contrast: str) -> Plan:
    """A plan for one slice; 20 % are identity pairs."""
    longest_s = TE_S[1] if part == "brain" else LONGEST_ADULT_TE_S
    te_s = {
        "t2": _log_uniform(rng, TE_S[0], longest_s),
        "t1": rng.uniform(0.01, 0.02),
        "flair": rng.uniform(0.08, 0.14),
        "pd": rng.uniform(0.01, 0.035),
    }[contrast]
    identity = rng.random() < IDENTITY_SHARE
    snr = _log_uniform(rng, 60.0, 200.0) if identity else _log_uniform(rng, *SNR)
    whole = rng.random() < 0.4
    return Plan(
        contrast=contrast,
        te_s=float(te_s),
        snr=snr,
        acceleration=1.0 if identity or rng.random() < 0.15 else float(rng.uniform(*ACCELERATION)),
        partial_fourier=1.0 if identity or rng.random() < 0.4 else float(rng.uniform(0.6, 0.85)),
        n_calibration=int(rng.integers(20, 37)),
        acquired_share=1.0 if whole else float(rng.uniform(0.75, 1.0)),
        spacing_s=float(rng.uniform(*SPACING_S)),
        voids=bool(rng.random() < VOID_SHARE),
    )


def draw_log_uniform(rng: np.random.Generator, low: float, high: float, n: int) -> NDArray[np.float64]:
    """Numbers whose logarithms are even between two bounds, (n,)."""
    return np.asarray(np.exp(rng.uniform(math.log(low), math.log(high), n)))


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(draw_log_uniform(rng, low, high, 1)[0])
