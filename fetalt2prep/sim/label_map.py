"""Anatomy from a label map that the user gives, with a table that says which tissue each label is."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine, from_matvec
from numpy.typing import NDArray

from fetalt2prep.sim.phantom import LAST_BRAIN_LABEL, SCALP_MM, SKULL_MM, HeadGrid, Label
from fetalt2prep.sim.subject import Subject, subject_of_labels, upsample, wrap_brain

Doubles = NDArray[np.float64]
RIM_MM = 3.0  # empty space between the head and the grid's border
IGNORED = "empty"  # tissue name of labels that are not part of the head


def read_lut(path: Path) -> dict[int, Label]:
    """Tissue of every label: a TSV with the columns ``index`` and ``tissue`` (names as in tissue.tsv, or ``empty``)."""
    names = {label.name.lower(): label for label in Label}
    if not path.is_file():
        raise ValueError(f"{path}: there is no such look-up table.")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    if not rows or not {"index", "tissue"} <= set(rows[0]):
        raise ValueError(
            f"{path}: a look-up table has the tab-separated columns 'index' and 'tissue', and a row per label."
        )
    table: dict[int, Label] = {}
    for number, row in enumerate(rows, 2):
        tissue = (row["tissue"] or "").strip().lower()
        if tissue not in names:
            raise ValueError(f"{path}, line {number}: tissue is {row['tissue']!r}; known tissues: {', '.join(names)}.")
        try:
            index = int(row["index"])
        except (TypeError, ValueError):
            raise ValueError(f"{path}, line {number}: index is {row['index']!r}; it must be a whole number.") from None
        if index in table:
            raise ValueError(f"{path}, line {number}: label {index} is there twice; keep one row.")
        table[index] = names[tissue]
    return table


def load_label_map(image: Path, lut: Path, spacing_mm: float, multiple: int) -> Subject:
    """A subject from a NIfTI label map (any orientation and voxel size) and its look-up table.

    Labels are laid on a grid of ``spacing_mm`` by the tissue whose linearly interpolated share is largest, so that
    stairs of the map's voxels become slopes. Without a skull among the labels, skull and scalp are put around.
    """
    table = read_lut(lut)
    try:
        source = nib.Nifti1Image.from_filename(image)
        values = np.asarray(source.dataobj)
        affine = np.asarray(source.affine, np.float64)
    except (OSError, nib.filebasedimages.ImageFileError) as error:
        raise ValueError(f"{image}: cannot be read as a label map: {error}") from error
    values = values[..., 0] if values.ndim == 4 and values.shape[3] == 1 else values
    if values.ndim != 3:
        raise ValueError(f"{image}: has shape {values.shape}; a label map has three dimensions.")
    found = np.unique(values)
    if not np.array_equal(found, np.rint(found)):
        raise ValueError(
            f"{image}: has values that are not whole numbers, such as {found[found != np.rint(found)][0]}."
        )
    unknown = sorted(set(found.astype(int).tolist()) - set(table) - {0})
    if unknown:
        raise ValueError(
            f"{image}: labels {unknown} are not in {lut}; add a row for each, tissue '{IGNORED}' to leave out."
        )
    tissues = np.zeros(values.shape, np.uint8)
    for index, label in table.items():
        tissues[values == index] = label
    brain = (tissues >= 1) & (tissues <= LAST_BRAIN_LABEL)
    if not brain.any():
        raise ValueError(f"{image}: no voxel is brain; {lut} names {sorted({t.name.lower() for t in table.values()})}.")
    record: dict[str, object] = {"labels_file": str(image), "labels_lut": str(lut)}
    return lay_on_grid(tissues, affine, spacing_mm, multiple, record)


def lay_on_grid(
    tissues: NDArray[np.uint8],
    affine: Doubles,
    spacing_mm: float,
    multiple: int,
    record: dict[str, object],
    *,
    skull_mm: float = SKULL_MM,
    scalp_mm: float = SCALP_MM,
) -> Subject:
    """A subject from tissues (x, y, z) whose indices an affine takes to mm right, forward, up."""
    canonical = nib.as_closest_canonical(nib.Nifti1Image(np.pad(tissues, 1), affine @ from_matvec(np.eye(3), [-1] * 3)))
    tissues, affine = np.asarray(canonical.dataobj, np.uint8), np.asarray(canonical.affine, np.float64)
    brain = _corners((tissues >= 1) & (tissues <= LAST_BRAIN_LABEL), affine)
    centre = (brain.min(0) + brain.max(0)) / 2
    head = _corners(tissues > 0, affine) - centre
    wrap = not (tissues == Label.SKULL).any()
    rim = RIM_MM + (skull_mm + scalp_mm if wrap else 0.0)
    grid = HeadGrid.holding(head.min(0) - rim, head.max(0) + rim, spacing_mm, multiple)
    from_grid = np.linalg.inv(affine) @ from_matvec(np.eye(3), centre) @ grid.affine
    labels = np.zeros(grid.shape, np.uint8)
    best = 1.0 - upsample((tissues > 0).astype(np.float32), from_grid, grid.shape)  # share of nothing
    for label in np.unique(tissues[tissues > 0]):  # memory: one tissue's share at a time
        share = upsample((tissues == label).astype(np.float32), from_grid, grid.shape)
        ahead = share > best
        labels[ahead] = label
        best[ahead] = share[ahead]
    if wrap:
        labels = wrap_brain(labels, spacing_mm, skull_mm, scalp_mm)
    return subject_of_labels(labels, grid, record)


def _corners(mask: NDArray[np.bool_], affine: Doubles) -> Doubles:
    """Corners in mm of the box of voxels that holds a mask, (8, 3)."""
    profiles = [np.flatnonzero(mask.any(tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    box = np.array([[axis[0] - 0.5 for axis in profiles], [axis[-1] + 0.5 for axis in profiles]])
    choices = np.array(list(np.ndindex(2, 2, 2)))
    return np.asarray(apply_affine(affine, box[choices, np.arange(3)]), np.float64)
