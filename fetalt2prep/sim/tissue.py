"""T1, T2 and M0 of every tissue, with smooth variation and texture inside each."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.sim.phantom import HeadGrid, Label

Floats = NDArray[np.float32]
SPLINE_VARIANCE = 151.0 / 315.0  # mean over position of the sum of squared cubic B-splines
LIVES = ("fetal", "adult")  # whose tissue: the column ``life`` of tissue.tsv
TABLE_AGE_WEEKS = 30.0  # gestational age that the fetal rows of tissue.tsv are for


@dataclass(frozen=True, kw_only=True)
class Tissue:
    """One row of ``tissue.tsv``; spreads are relative standard deviations inside the tissue."""

    name: str
    label: Label
    t1_s: float
    t2_s: float
    m0: float  # fluid is 1
    t2_spread: float
    m0_spread: float
    source: str


def read_tissues(field_t: float, life: str = "fetal", age_weeks: float = TABLE_AGE_WEEKS) -> dict[Label, Tissue]:
    """Tissues at a field strength in tesla, by label.

    ``age_weeks``: gestational age; T1 and T2 of fetal brain tissue fall linearly with it, and M0 a little, by the
    share per week that the table gives. Adult rows have no such share.
    """
    if life not in LIVES:
        raise ValueError(f"life is {life!r}; tissue.tsv knows {', '.join(LIVES)}.")
    if not 18.0 <= age_weeks <= 42.0:
        raise ValueError(f"gestational age is {age_weeks} weeks; tissue.tsv holds for 18 to 42 weeks.")
    text = resources.files("fetalt2prep.sim").joinpath("tissue.tsv").read_text("utf-8")
    rows = [row for row in csv.DictReader(text.splitlines(), delimiter="\t") if row["life"] == life]
    known = sorted({float(row["field_t"]) for row in rows})
    if field_t not in known:
        raise ValueError(f"field strength is {field_t} T; tissue.tsv knows {', '.join(f'{f:g}' for f in known)} T.")
    weeks = age_weeks - TABLE_AGE_WEEKS
    return {
        Label(int(row["label"])): Tissue(
            name=row["tissue"],
            label=Label(int(row["label"])),
            t1_s=float(row["t1_s"]) * (1.0 + weeks * float(row["relaxation_per_week"])),
            t2_s=float(row["t2_s"]) * (1.0 + weeks * float(row["relaxation_per_week"])),
            m0=float(row["m0"]) * (1.0 + weeks * float(row["m0_per_week"])),
            t2_spread=float(row["t2_spread"]),
            m0_spread=float(row["m0_spread"]),
            source=row["source"],
        )
        for row in rows
        if float(row["field_t"]) == field_t
    }


@dataclass(frozen=True)
class SplineField:
    """A random field as cubic B-spline coefficients (x, y, z) on a lattice; unit variance on average."""

    coefficients: Floats
    origin_mm: tuple[float, float, float]
    spacing_mm: float

    def on(self, grid: HeadGrid) -> Floats:
        """Values at every grid point, (x, y, z)."""
        out: Floats = self.coefficients
        for axis in range(3):
            at = grid.origin_mm[axis] + grid.spacing_mm * np.arange(grid.shape[axis], dtype=np.float64)
            basis = _cubic_basis((at - self.origin_mm[axis]) / self.spacing_mm, self.coefficients.shape[axis])
            out = np.moveaxis(np.tensordot(basis, out, (1, axis)), 0, axis)
        return out * np.float32(SPLINE_VARIANCE**-1.5)


@dataclass(frozen=True)
class Texture:
    """Fields that modulate T2 (smooth and fine) and M0 (smooth) inside every tissue."""

    t2_smooth: SplineField
    t2_fine: SplineField
    m0_smooth: SplineField


def draw_texture(rng: np.random.Generator, grid: HeadGrid) -> Texture:
    """Draw the fields that cover a grid: smooth ones on a 9 mm lattice, the fine one on 2 mm."""
    return Texture(*(_draw_field(rng, grid, spacing_mm) for spacing_mm in (9.0, 2.0, 9.0)))


def tissue_maps(
    labels: NDArray[np.uint8], grid: HeadGrid, tissues: dict[Label, Tissue], texture: Texture
) -> tuple[Floats, Floats]:
    """T2 in seconds and M0, both (x, y, z); M0 is 0 and T2 is 1 s where there is no tissue.

    ``T2 = t2 * exp(spread * (0.9 smooth + 0.45 fine))``: most of the spread varies slowly, some from voxel to
    voxel.
    """
    table = np.zeros((4, max(Label) + 1), np.float32)
    table[0] = 1.0
    for label, tissue in tissues.items():
        table[:, label] = tissue.t2_s, tissue.m0, tissue.t2_spread, tissue.m0_spread
    missing = sorted(set(np.unique(labels).tolist()) - {int(label) for label in tissues} - {0})
    if missing:
        raise ValueError(f"labels {missing} have no tissue; tissue.tsv knows {sorted(int(t) for t in tissues)}.")
    variation = 0.9 * texture.t2_smooth.on(grid)
    variation += 0.45 * texture.t2_fine.on(grid)
    return _varied(table[0], table[2], labels, variation), _varied(
        table[1], table[3], labels, texture.m0_smooth.on(grid)
    )


def _varied(value: Floats, spread: Floats, labels: NDArray[np.uint8], variation: Floats) -> Floats:
    """``value * exp(spread * variation)`` by label, the variation within 2.5; in place, for these are large."""
    np.clip(variation, -2.5, 2.5, out=variation)
    variation *= spread[labels]
    np.exp(variation, out=variation)
    variation *= value[labels]
    return np.asarray(variation, np.float32)


def _draw_field(rng: np.random.Generator, grid: HeadGrid, spacing_mm: float) -> SplineField:
    extent = np.asarray(grid.shape) * grid.spacing_mm
    size = np.ceil(extent / spacing_mm).astype(int) + 4
    origin = tuple(float(o - 1.5 * spacing_mm) for o in grid.origin_mm)
    return SplineField(rng.standard_normal(size).astype(np.float32), (origin[0], origin[1], origin[2]), spacing_mm)


def _cubic_basis(position: NDArray[np.float64], n_coefficients: int) -> Floats:
    """Cubic B-spline weights of continuous lattice positions, (point, coefficient)."""
    t = np.abs(position[:, None] - np.arange(n_coefficients))
    near = 2 / 3 - t**2 + t**3 / 2
    far = (2 - t) ** 3 / 6
    return np.where(t < 1, near, np.where(t < 2, far, 0.0)).astype(np.float32)
