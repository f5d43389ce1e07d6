"""What is scanned: fine maps of the head at rest, what surrounds it, and the fields of the coils."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.sim.adult import load_adult
from fetalt2prep.sim.artefacts import CoilField, draw_coil_field
from fetalt2prep.sim.label_map import load_label_map
from fetalt2prep.sim.options import CaseOptions
from fetalt2prep.sim.phantom import Label
from fetalt2prep.sim.subject import Subject, draw_phantom
from fetalt2prep.sim.surroundings import Surroundings, draw_surroundings
from fetalt2prep.sim.tissue import TABLE_AGE_WEEKS, Tissue, draw_texture, read_tissues, tissue_maps
from fetalt2prep.sim.truth import BINNING

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Streams = Mapping[str, np.random.Generator]


@dataclass(frozen=True)
class Scene:
    """Fine maps of the head at rest, its surroundings, and the fields of the receive and transmit coils."""

    labels: NDArray[np.uint8]
    m0: Floats  # scanner units
    t2_s: Floats
    affine: Doubles  # of the maps: index -> world at rest
    tissues: dict[Label, Tissue]  # M0 in scanner units
    surroundings: Surroundings | None  # None: air
    coil: CoilField
    transmit: CoilField | None  # actual angle over nominal; None: 1 everywhere


def draw_subject(options: CaseOptions, rng: np.random.Generator) -> Subject:
    """The head that the options ask for; only the analytic phantom has something to draw."""
    spacing_mm = options.truth_mm / BINNING
    if options.labels_file is not None and options.labels_lut is not None:
        return load_label_map(Path(options.labels_file), Path(options.labels_lut), spacing_mm, BINNING)
    if options.life == "adult":
        return load_adult(spacing_mm, BINNING)
    age_weeks, length_mm = options.gestational_age_weeks, options.brain_length_mm
    return draw_phantom(rng, age_weeks, length_mm, options.ventricle_scale, (spacing_mm, BINNING))


def draw_scene(options: CaseOptions, subject: Subject, head_to_scanner: Doubles, rng: Streams) -> Scene:
    """Tissue, fluid and coils around a subject. Adults lie in air, fetuses in a uterus."""
    age = options.gestational_age_weeks if options.age_dependent_tissue else TABLE_AGE_WEEKS
    tissues = read_tissues(options.field_t, options.life, age)
    texture = draw_texture(rng["texture"], subject.grid)
    t2_s, m0 = tissue_maps(subject.labels, subject.grid, tissues, texture)
    centre_mm, radius_mm = head_to_scanner[:3, 3], float(subject.semi_axes_mm.max())
    transmit_sd = 0.0 if options.echo_train is None else options.echo_train.b1_sd
    return Scene(
        subject.labels,
        m0 * np.float32(options.units_per_m0),
        t2_s,
        head_to_scanner @ subject.grid.affine,
        {label: replace(tissue, m0=tissue.m0 * options.units_per_m0) for label, tissue in tissues.items()},
        None if options.life == "adult" else draw_surroundings(rng["surroundings"], centre_mm, subject.head_semi_mm),
        draw_coil_field(rng["coil"], options.coil_sd, centre_mm, radius_mm),
        draw_coil_field(rng["transmit"], transmit_sd, centre_mm, radius_mm) if transmit_sd else None,
    )
