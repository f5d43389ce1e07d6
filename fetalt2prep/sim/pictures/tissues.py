"""How bright everything is: drawn anew for every picture, by physics or by chance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.sim.phantom import Label
from fetalt2prep.sim.tissue import read_tissues

FIRST_CLUTTER = 32
N_LEVELS = 256
"""Labels below ``FIRST_CLUTTER`` are those of the phantom; the others are whatever lies around."""
FLUID_T2_S = (0.3, 2.0)
TISSUE_T2_S = (0.035, 0.28)


def draw_levels(rng: np.random.Generator) -> NDArray[np.float32]:
    """Signal of every label, (256,), fluid at 1 or below; label 0 is air."""
    levels = _by_chance(rng) if rng.random() < 0.3 else _by_physics(rng)
    levels[Label.EMPTY] = 0.0
    return levels.astype(np.float32)


def _by_physics(rng: np.random.Generator) -> NDArray[np.float64]:
    """Spin echo at a random echo time, 60 to 750 ms; T2 and density of everything vary."""
    te_s = float(np.exp(rng.uniform(np.log(0.06), np.log(0.65))))
    if rng.random() < 0.3:  # late: cortex is nearly as dark as bone
        te_s = float(rng.uniform(0.35, 0.75))
    t2_s = _draw_t2(rng, TISSUE_T2_S, N_LEVELS)
    fluid = rng.random(N_LEVELS) < 0.25
    t2_s[fluid] = _draw_t2(rng, FLUID_T2_S, int(fluid.sum()))
    m0 = rng.uniform(0.5, 1.0, N_LEVELS)
    field_t = float(rng.choice([0.55, 1.5, 3.0]))
    for label, tissue in read_tissues(field_t, age_weeks=float(rng.uniform(20, 38))).items():
        t2_s[label] = tissue.t2_s * np.exp(0.2 * rng.standard_normal())
        m0[label] = np.clip(tissue.m0 * np.exp(0.08 * rng.standard_normal()), 0.05, 1.0)
    if rng.random() < 0.5:  # saturation of fluid that a short repetition time leaves behind
        m0[t2_s > FLUID_T2_S[0]] *= rng.uniform(0.5, 1.0)
    return np.asarray(m0 * np.exp(-te_s / t2_s) / np.exp(-te_s / 1.9))


def _draw_t2(rng: np.random.Generator, bounds_s: tuple[float, float], n: int) -> NDArray[np.float64]:
    """Times whose logarithms are even between the bounds, (n,)."""
    low, high = np.log(bounds_s)
    return np.asarray(np.exp(rng.uniform(float(low), float(high), n)))


def _by_chance(rng: np.random.Generator) -> NDArray[np.float64]:
    """Anything, but the skull is mostly darker than the brain and the fluid around it mostly brighter."""
    levels = rng.uniform(0.05, 1.0, N_LEVELS)
    brain = levels[Label.WHITE_MATTER]
    if rng.random() < 0.8:
        levels[Label.SKULL] = brain * rng.uniform(0.05, 0.7)
    if rng.random() < 0.8:
        levels[[Label.VENTRICLES, Label.EXTRA_AXIAL_CSF]] = rng.uniform(brain, 1.0) * rng.uniform(0.85, 1.1, 2)
    for label in (Label.CORTICAL_GREY, Label.DEEP_GREY, Label.CEREBELLUM, Label.BRAINSTEM):
        levels[label] = brain * np.exp(0.3 * rng.standard_normal())
    return np.asarray(np.clip(levels, 0.02, 1.2))
