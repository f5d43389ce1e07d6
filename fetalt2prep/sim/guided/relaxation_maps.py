"""Fine maps of proton density, T1 and T2 of a slab of a head, and what sequences show of it.

For quantitative super-resolution: no motion, no coil. Tissue is laid on a grid twice as fine as the maps, so that
voxels at edges hold two tissues; a sequence sees the mean of their signals, not the signal of their mean.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from fetalt2prep.core.signal import SignalModel
from fetalt2prep.sim.anatomy import draw_anatomy
from fetalt2prep.sim.phantom import HeadGrid, Label, brain_mask, head_labels
from fetalt2prep.sim.tissue import SplineField, Texture, Tissue, draw_texture, read_tissues, tissue_maps

Floats = NDArray[np.float32]
FIELDS_T = (1.5, 3.0)
AGES_WEEKS = (34.0, 42.0)  # for folds as deep as they are drawn; the tissue is an adult's
LENGTHS_MM = (95.0, 115.0)  # of the cerebrum
VENTRICLES = (0.25, 0.8)  # scale of their width
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
    """Number that divides width and length of the grid."""


@dataclass(frozen=True)
class RelaxationMaps:
    """Maps on the grid (x, y, z), zero outside the mask, and the tissue that they are the mean of."""

    pd: Floats
    t1_s: Floats
    t2_s: Floats
    mask: NDArray[np.bool_]  # brain and the fluid around it
    fine: Floats  # (3, 2 x, 2 y, 2 z): proton density (zero outside the brain), T1 and T2 in s

    @classmethod
    def of(cls, fine: Floats) -> RelaxationMaps:
        """Means over voxels: of the density, and of the logarithm of the times by share of density.

        ``fine``: (3, 2 x, 2 y, 2 z) as kept. What a scanner's fit gives in a mixed voxel depends on its echo times; the
        geometric mean lies between.
        """
        pd, t1_s, t2_s = fine
        mask = mean_in_voxels((pd > 0).astype(np.float32)) >= 0.5
        density = mean_in_voxels(pd)
        share = np.where(density > 0, density, 1.0)
        times = [np.exp(mean_in_voxels(pd * np.log(t)) / share) * mask for t in (t1_s, t2_s)]
        t1, t2 = (np.asarray(t, np.float32) for t in times)
        return cls(np.asarray(density * mask, np.float32), t1, t2, mask, fine)

    def signal(self, model: SignalModel) -> Floats:
        """What a sequence shows, (x, y, z): magnitude of the mean of the signals in each voxel."""
        pd, t1_s, t2_s = (torch.from_numpy(part) for part in self.fine)
        return np.abs(mean_in_voxels(model(pd, 1.0 / t1_s, 1.0 / t2_s).numpy())) * self.mask


@dataclass(frozen=True)
class Head:
    """A drawn slab."""

    maps: RelaxationMaps
    labels: NDArray[np.uint8]  # (x, y, z) most frequent tissue of the voxel, 0 outside the mask
    field_t: float


def draw_head(rng: np.random.Generator, options: SlabOptions | None = None) -> Head:
    """A head with grown folds and adult tissue: form, values and texture of each tissue, lesions, place of the slab."""
    fine, labels, field_t = _draw_tissue(rng, options or SlabOptions())
    maps = RelaxationMaps.of(fine)
    shares = np.stack([mean_in_voxels((labels == kind).astype(np.float32)) for kind in range(1, Label.BRAINSTEM + 1)])
    return Head(maps, ((shares.argmax(0) + 1) * maps.mask).astype(np.uint8), field_t)


def draw_fine(seed: int) -> NDArray[np.float16]:
    """The tissue of a head as it is kept for training, (3, 2 x, 2 y, 2 z); see :class:`RelaxationMaps`."""
    return _draw_tissue(np.random.default_rng(seed), SlabOptions())[0].astype(np.float16)


def _draw_tissue(rng: np.random.Generator, options: SlabOptions) -> tuple[Floats, NDArray[np.uint8], float]:
    """Density and times (3, ...), labels, both on the grid of the tissue, and the field in tesla."""
    anatomy = draw_anatomy(
        rng, rng.uniform(*AGES_WEEKS), float(rng.uniform(*LENGTHS_MM)), float(rng.uniform(*VENTRICLES))
    )
    field_t = float(rng.choice(FIELDS_T))
    tissues = {label: _varied_tissue(rng, tissue) for label, tissue in read_tissues(field_t, "adult").items()}
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
    fine = np.stack([part[inner] for part in (pd * (labels > 0), t1_s, t2_s)])
    return np.asarray(fine, np.float32), labels[inner], field_t


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
    shape = (n_x, n_y, options.n_slices * FINER + 2 * rim)
    middle = (0.0, 0.0, rng.uniform(-0.15, 0.45) * semi_mm[2])
    x, y, z = (float(m - (n - 1) * fine_mm / 2) for m, n in zip(middle, shape, strict=True))
    return HeadGrid((x, y, z), fine_mm, shape), rim


def _mixed(one: Texture, other: Texture) -> Texture:
    """A texture that correlates with both."""
    rest = np.float32((1.0 - SHARED_TEXTURE**2) ** 0.5)

    def mix(a: SplineField, b: SplineField) -> SplineField:
        return replace(a, coefficients=np.float32(SHARED_TEXTURE) * a.coefficients + rest * b.coefficients)

    return Texture(mix(one.t2_smooth, other.t2_smooth), mix(one.t2_fine, other.t2_fine), one.m0_smooth)


def _draw_lesions(rng: np.random.Generator, labels: NDArray[np.uint8], grid: HeadGrid) -> list[NDArray[np.bool_]]:
    """Up to five balls of 1.5 to 4 mm in white matter."""
    white = np.argwhere(labels == Label.WHITE_MATTER)
    indices = np.ogrid[tuple(slice(n) for n in labels.shape)]
    found = []
    for _ in range(int(rng.integers(6))):  # few, each with its own middle
        middle = white[rng.integers(len(white))]
        radius = rng.uniform(1.5, 4.0) / grid.spacing_mm
        square = sum((index - m) ** 2 for index, m in zip(indices, middle, strict=True))
        found.append((square < radius**2) & (labels == Label.WHITE_MATTER))
    return found


def mean_in_voxels(values: Floats) -> Floats:
    """(2 x, 2 y, 2 z) -> (x, y, z)."""
    x, y, z = (n // FINER for n in values.shape)
    return np.asarray(values.reshape(x, FINER, y, FINER, z, FINER).mean((1, 3, 5)), np.float32)
