"""What lies in a few slices: labels of a part of the body, the relaxation of each, and how uneven they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.sim.pairs.organs import LABEL, TISSUES, draw_organs
from fetalt2prep.sim.pairs.plan import PIXEL_MM, PairOptions, draw_log_uniform
from fetalt2prep.sim.phantom import Label
from fetalt2prep.sim.pictures.head import draw_head, paint_head
from fetalt2prep.sim.pictures.noise_field import Floats, draw_smooth
from fetalt2prep.sim.pictures.place import Lattice
from fetalt2prep.sim.pictures.tissues import FLUID_T2_S, N_LEVELS, TISSUE_T2_S
from fetalt2prep.sim.pictures.womb import draw_womb
from fetalt2prep.sim.tissue import read_tissues

N_SUB = 2  # sub-slices that are averaged
FINE = 2  # lattice points over one pixel
THICKNESS_MM = (2.5, 5.5)


@dataclass(frozen=True)
class Scene:
    """A few neighbouring slices before any sequence."""

    part: str
    labels: NDArray[np.uint8]  # (x, y, sub-slice) on a lattice of FINE points a pixel
    t1_s: Floats  # (label,)
    t2_s: Floats  # (label,)
    m0: Floats  # (label,)
    texture: Floats  # (x, y, sub-slice), factor of the signal, mean about 1
    pixel_mm: float


def draw_scene(rng: np.random.Generator, options: PairOptions) -> Scene:
    """One part of the body; half of the scenes are the fetal brain where that is among the choices."""
    others = [part for part in options.parts if part != "brain"]
    is_brain = not others or ("brain" in options.parts and rng.random() < 0.5)
    part = "brain" if is_brain else str(rng.choice(others))
    pixel_mm = float(rng.uniform(*PIXEL_MM))
    thickness_mm = float(rng.uniform(*THICKNESS_MM))
    n = options.n_pixels * FINE
    lattice = Lattice(
        shape=(n, n, options.n_slices * N_SUB), spacing_mm=(pixel_mm / FINE, pixel_mm / FINE, thickness_mm / N_SUB)
    )
    if part == "brain":
        labels = _uterus(rng, lattice)
        t1_s, t2_s, m0 = _fetal_tissues(rng)
    else:
        labels = draw_organs(rng, lattice, part)
        t1_s, t2_s, m0 = _adult_tissues(rng)
    m0[Label.EMPTY] = 0.0
    fine, coarse = (draw_smooth(rng, lattice.shape, lattice.spacing_mm, mm) for mm in (rng.uniform(1.5, 6), 25.0))
    texture = 1 + rng.uniform(0.01, 0.10) * fine + rng.uniform(0, 0.12) * coarse
    return Scene(
        part=part,
        labels=labels,
        t1_s=t1_s.astype(np.float32),
        t2_s=t2_s.astype(np.float32),
        m0=m0.astype(np.float32),
        texture=np.maximum(texture, 0.05).astype(np.float32),
        pixel_mm=pixel_mm,
    )


def _uterus(rng: np.random.Generator, lattice: Lattice) -> NDArray[np.uint8]:
    """A head in view of the middle slices, and what lies around it."""
    half = lattice.half_mm
    centre = rng.uniform(-1, 1, 3) * [0.35 * half[0], 0.35 * half[1], 25.0]
    head = draw_head(rng, np.asarray(centre))
    labels = draw_womb(rng, lattice, head)
    paint_head(rng, head, lattice, N_SUB, labels)
    return labels


def _fetal_tissues(rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """T1, T2 and density of every label: those of the table with a spread, anything for what lies around."""
    t2_s = draw_log_uniform(rng, *TISSUE_T2_S, N_LEVELS)
    fluid = rng.random(N_LEVELS) < 0.25
    t2_s[fluid] = draw_log_uniform(rng, *FLUID_T2_S, int(fluid.sum()))
    t1_s, m0 = rng.uniform(0.3, 2.5, N_LEVELS), rng.uniform(0.5, 1.0, N_LEVELS)
    t1_s[fluid] = rng.uniform(2.5, 4.5, int(fluid.sum()))
    for label, tissue in read_tissues(float(rng.choice([0.55, 1.5])), age_weeks=float(rng.uniform(20, 38))).items():
        t1_s[label], t2_s[label], m0[label] = tissue.t1_s, tissue.t2_s, tissue.m0
    return _spread(rng, t1_s, t2_s, m0)


def _adult_tissues(rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    t1_s, t2_s, m0 = np.ones(N_LEVELS), np.full(N_LEVELS, 0.1), np.zeros(N_LEVELS)
    for name, values in TISSUES.items():
        t1_s[LABEL[name]], t2_s[LABEL[name]], m0[LABEL[name]] = values
    return _spread(rng, t1_s, t2_s, m0)


def _spread(
    rng: np.random.Generator, t1_s: NDArray[np.float64], t2_s: NDArray[np.float64], m0: NDArray[np.float64]
) -> tuple[Floats, Floats, Floats]:
    """The same with every label a little different each time."""
    n = len(t1_s)
    t1_s, t2_s = t1_s * np.exp(0.15 * rng.standard_normal(n)), t2_s * np.exp(0.2 * rng.standard_normal(n))
    m0 = np.clip(m0 * np.exp(0.08 * rng.standard_normal(n)), 0, 1)
    return t1_s.astype(np.float32), t2_s.astype(np.float32), m0.astype(np.float32)
