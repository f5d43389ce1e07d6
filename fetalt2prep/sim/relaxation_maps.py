"""Fine maps of proton density, T1 and T2 of a slab of a head, and what sequences show of it.

For quantitative super-resolution: no motion, no coil. Tissue is laid on a grid twice as fine as the maps, so that
voxels at edges hold two tissues; a sequence sees the mean of their signals, not the signal of their mean.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from fetalt2prep.core.signal import InversionRecovery, Mprage, SignalModel, SpinEcho, SpoiledGradientEcho
from fetalt2prep.sim.anatomy import draw_anatomy
from fetalt2prep.sim.phantom import HeadGrid, Label, brain_mask, head_labels
from fetalt2prep.sim.tissue import SplineField, Texture, Tissue, draw_texture, read_tissues, tissue_maps

Floats = NDArray[np.float32]
FIELDS_T = (1.5, 3.0)
TISSUE_SPREAD = 0.08  # of a tissue's T1, T2 and density from one head to the next, relative
SHARED_TEXTURE = 0.6  # correlation of T1's texture with T2's: both follow water and iron, not only
FINER = 2  # grid of the tissue, per voxel and axis
MARGIN_MM = 5.0  # drawn beyond the slab: how deep the cortex is depends on what is above


@dataclass(frozen=True, kw_only=True)
class SlabOptions:
    """Size of a slab: axial slices through the whole width of a head."""

    spacing_mm: float = 1.3
    n_slices: int = 16
    multiple: int = 4
    """Number that divides all sides of the grid."""
    length_mm: tuple[float, float] = (95.0, 115.0)
    """Of the cerebrum, from to."""


@dataclass(frozen=True)
class RelaxationMaps:
    """One head: maps on the grid (x, y, z), zero outside the brain, and the tissue they are the mean of."""

    pd: Floats
    t1_s: Floats
    t2_s: Floats
    labels: NDArray[np.uint8]  # most frequent in the voxel
    mask: NDArray[np.bool_]  # brain and the fluid around it
    fine: tuple[Floats, Floats, Floats]  # proton density, R1 and R2 (1/s) on the grid of the tissue
    field_t: float

    def signal(self, model: SignalModel) -> Floats:
        """What a sequence shows, (x, y, z): magnitude of the mean of the signals in each voxel."""
        shown = model(*(torch.from_numpy(part) for part in self.fine))
        return np.abs(_mean_in_voxels(shown.numpy())) * self.mask


def draw_relaxation_maps(rng: np.random.Generator, options: SlabOptions = SlabOptions()) -> RelaxationMaps:
    """Draw a head with grown folds and adult tissue, each tissue's values and texture, a few lesions, and the slab."""
    anatomy = draw_anatomy(
        rng, rng.uniform(34.0, 42.0), float(rng.uniform(*options.length_mm)), float(rng.uniform(0.25, 0.8))
    )
    field_t = float(rng.choice(FIELDS_T))
    tissues = {
        label: _varied_tissue(rng, tissue) for label, tissue in read_tissues(field_t, "adult").items()
    }
    grid, rim = _slab_grid(rng, np.asarray(anatomy.semi_axes_mm), anatomy.csf_mm, options)
    labels = head_labels(anatomy, grid)
    labels = np.where(brain_mask(labels), labels, np.uint8(0))
    texture, other = draw_texture(rng, grid), draw_texture(rng, grid)
    t2_s, pd = tissue_maps(labels, grid, tissues, texture)
    as_t1 = {label: replace(tissue, t2_s=tissue.t1_s) for label, tissue in tissues.items()}
    t1_s, _ = tissue_maps(labels, grid, as_t1, _mixed(texture, other))
    for lesion in _draw_lesions(rng, labels, grid):
        t1_s[lesion] *= rng.uniform(1.1, 1.5)
        t2_s[lesion] *= rng.uniform(1.2, 2.0)
        pd[lesion] *= rng.uniform(1.0, 1.15)
    inner = (slice(None), slice(None), slice(rim, -rim))
    return _in_voxels(labels[inner], pd[inner], t1_s[inner], t2_s[inner], field_t)


def draw_t1w(rng: np.random.Generator, field_t: float) -> SignalModel:
    """A T1-weighted sequence: MPRAGE or a spoiled gradient echo, parameters around the clinical ones."""
    if rng.random() < 0.5:
        spacing_s = float(rng.uniform(0.006, 0.010))
        ti_s, tr_s = float(rng.uniform(0.8, 1.1)), float(rng.uniform(1.9, 2.5))
        n_pulses = int(min(rng.uniform(120, 180), 1.8 * ti_s / spacing_s))
        return Mprage(
            te_s=float(rng.uniform(0.002, 0.004)), ti_s=ti_s, tr_s=tr_s, flip_deg=float(rng.uniform(7.0, 10.0)),
            spacing_s=spacing_s, n_pulses=n_pulses,
        )  # fmt: skip
    tr_s = float(rng.uniform(0.008, 0.025)) * (1.0 if field_t < 2 else 1.2)
    return SpoiledGradientEcho(
        te_s=float(rng.uniform(0.002, 0.005)), tr_s=tr_s, flip_deg=float(rng.uniform(15.0, 28.0))
    )


def draw_t2w(rng: np.random.Generator) -> SpinEcho:
    """A T2-weighted spin echo."""
    return SpinEcho(te_s=float(rng.uniform(0.075, 0.12)), tr_s=float(rng.uniform(3.5, 7.0)))


def flair(field_t: float) -> InversionRecovery:
    """T2-FLAIR with the fluid of that field nulled."""
    return InversionRecovery(te_s=0.12, ti_s=2.5 if field_t < 2 else 2.6, tr_s=9.0)


def _varied_tissue(rng: np.random.Generator, tissue: Tissue) -> Tissue:
    t1, t2, m0 = np.exp(rng.standard_normal(3) * (TISSUE_SPREAD, TISSUE_SPREAD, TISSUE_SPREAD / 3)).tolist()
    return replace(tissue, t1_s=tissue.t1_s * t1, t2_s=tissue.t2_s * t2, m0=min(tissue.m0 * m0, 1.0))


def _slab_grid(
    rng: np.random.Generator, semi_mm: NDArray[np.float64], fluid_mm: float, options: SlabOptions
) -> tuple[HeadGrid, int]:
    """Grid of the tissue around the brain's width, and how many of its points are beyond the slab, above and below."""
    fine_mm = options.spacing_mm / FINER
    width_mm = 2.0 * (1.08 * semi_mm[:2] + fluid_mm + 2.0)
    n_x, n_y = (int(n) * options.multiple * FINER for n in np.ceil(width_mm / (options.multiple * options.spacing_mm)))
    rim = int(np.ceil(MARGIN_MM / options.spacing_mm)) * FINER
    n_z = options.n_slices * FINER + 2 * rim
    middle = rng.uniform(-0.15, 0.45) * semi_mm[2]
    shape = (n_x, n_y, n_z)
    origin = tuple(float(m - (n - 1) * fine_mm / 2) for m, n in zip((0.0, 0.0, middle), shape, strict=True))
    return HeadGrid((origin[0], origin[1], origin[2]), fine_mm, shape), rim


def _mixed(one: Texture, other: Texture) -> Texture:
    """A texture that correlates with both."""
    rest = (1.0 - SHARED_TEXTURE**2) ** 0.5

    def mix(a: SplineField, b: SplineField) -> SplineField:
        return replace(a, coefficients=SHARED_TEXTURE * a.coefficients + np.float32(rest) * b.coefficients)

    return Texture(mix(one.t2_smooth, other.t2_smooth), mix(one.t2_fine, other.t2_fine), one.m0_smooth)


def _draw_lesions(
    rng: np.random.Generator, labels: NDArray[np.uint8], grid: HeadGrid
) -> list[NDArray[np.bool_]]:
    """Up to five balls of 1.5 to 4 mm in white matter."""
    white = np.argwhere(labels == Label.WHITE_MATTER)
    found = []
    for _ in range(int(rng.integers(6))):  # each has its own middle
        middle = white[rng.integers(len(white))]
        radius = rng.uniform(1.5, 4.0) / grid.spacing_mm
        square = sum(
            (np.arange(n).reshape([-1 if axis == i else 1 for i in range(3)]) - middle[axis]) ** 2
            for axis, n in enumerate(labels.shape)
        )
        found.append((square < radius**2) & (labels == Label.WHITE_MATTER))
    return found


def _in_voxels(
    labels: NDArray[np.uint8], pd: Floats, t1_s: Floats, t2_s: Floats, field_t: float
) -> RelaxationMaps:
    """Means over voxels: of the density, and of the logarithm of the times by share of density; brain only."""
    brain = labels > 0
    density = _mean_in_voxels(pd)
    share = np.where(density > 0, density, 1.0)
    mask = _mean_in_voxels(brain.astype(np.float32)) >= 0.5
    t1, t2 = (np.exp(_mean_in_voxels(pd * np.log(t)) / share) for t in (t1_s, t2_s))
    kinds = np.stack([_mean_in_voxels((labels == label).astype(np.float32)) for label in range(1, 8)])
    return RelaxationMaps(
        pd=np.asarray(density * mask, np.float32), t1_s=np.asarray(t1 * mask, np.float32),
        t2_s=np.asarray(t2 * mask, np.float32), labels=((kinds.argmax(0) + 1) * mask).astype(np.uint8), mask=mask,
        fine=(pd, np.asarray(1.0 / t1_s, np.float32), np.asarray(1.0 / t2_s, np.float32)), field_t=field_t,
    )  # fmt: skip


def _mean_in_voxels(values: Floats) -> Floats:
    """(FINER x, FINER y, FINER z) -> (x, y, z)."""
    x, y, z = (n // FINER for n in values.shape)
    return np.asarray(values.reshape(x, FINER, y, FINER, z, FINER).mean((1, 3, 5)), np.float32)

