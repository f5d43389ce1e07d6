"""Size and shape of a fetal head: what is drawn before any label is laid down."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_WAVES = 14


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """A head in numbers. Head frame: mm, x to the right, y forward, z up, origin in the cerebrum's middle."""

    gestational_age_weeks: float
    semi_axes_mm: tuple[float, float, float]  # of the cerebrum
    sulcal_depth_mm: float
    cortex_mm: float  # thickness of the cortical plate
    csf_mm: float  # extra-axial fluid over the gyri
    ventricle_scale: float  # 1: atrium 13 mm wide in a brain of 80 mm; below 10 mm is normal
    waves: NDArray[np.float64]  # (wave, 3) wave vectors of the folds on the unit sphere, rad
    phases: NDArray[np.float64]  # (wave, 2) phase on the left and on the right, rad

    def as_dict(self) -> dict[str, object]:
        """JSON-ready record."""
        record = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return record | {"waves": self.waves.tolist(), "phases": self.phases.tolist()}


def cerebrum_length_mm(gestational_age_weeks: float) -> float:
    """Fronto-occipital length of the cerebrum.

    A parabola through the extents measured on a public atlas of the fetal brain (the CC0 atlas of Fidon
    2021: 70 mm at 24 weeks, 92 mm at 29), flattening to 108 mm at 36 weeks.
    """
    weeks = gestational_age_weeks - 24.0
    return 70.0 + 5.0 * weeks - 0.15 * weeks**2


def fold_depth_mm(gestational_age_weeks: float) -> float:
    """Depth of the drawn folds: smooth before 20 weeks, then 0.55 mm deeper every week up to 8 mm."""
    return min(max(0.55 * (gestational_age_weeks - 20.0), 0.0), 8.0)


def draw_anatomy(
    rng: np.random.Generator,
    gestational_age_weeks: float,
    brain_length_mm: float | None = None,
    ventricle_scale: float = 1.0,
) -> Anatomy:
    """Draw a head of that age; ``brain_length_mm`` overrides the size, not the folds' relative depth.

    ``ventricle_scale``: median width of the lateral ventricles; the atrium is 13 mm wide at 1 in a brain of 80 mm.

    Folds are the zero lines of a sum of plane waves of one wavelength (about 20 mm on the brain's surface,
    two sulci per wavelength). Left and right share the waves and nearly share the phases, as real hemispheres
    nearly mirror.
    """
    if not 18.0 <= gestational_age_weeks <= 42.0:
        raise ValueError(f"gestational age is {gestational_age_weeks} weeks; the phantom knows 18 to 42 weeks.")
    expected = cerebrum_length_mm(gestational_age_weeks)
    length = expected * math.exp(0.02 * rng.standard_normal()) if brain_length_mm is None else brain_length_mm
    if not 25.0 <= length <= 140.0:
        raise ValueError(f"brain length is {length} mm; the phantom is drawn between 25 and 140 mm.")
    if not 0.1 <= ventricle_scale <= 2.0:
        raise ValueError(f"ventricle_scale is {ventricle_scale}; the phantom knows 0.1 (slits) to 2 (hydrocephalus).")
    width, height = (0.77, 0.66) * np.exp(0.015 * rng.standard_normal(2))
    scale = length / expected
    n_cycles = math.pi * 0.85 * length / 20.0  # around the mean circumference
    directions = rng.standard_normal((N_WAVES, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    phases = rng.uniform(0.0, 2 * math.pi, (N_WAVES, 1)) + 0.35 * rng.standard_normal((N_WAVES, 2))
    return Anatomy(
        gestational_age_weeks=gestational_age_weeks,
        semi_axes_mm=(length * width / 2, length / 2, length * height / 2),
        sulcal_depth_mm=fold_depth_mm(gestational_age_weeks) * scale,
        cortex_mm=float(np.clip(1.5 + 0.06 * (gestational_age_weeks - 20.0), 1.5, 3.0)) * max(scale, 0.75),
        csf_mm=max(1.2, 3.0 * scale) * float(np.exp(0.1 * rng.standard_normal())),
        ventricle_scale=ventricle_scale * float(np.exp(0.15 * rng.standard_normal())),
        waves=directions * n_cycles,
        phases=phases,
    )
