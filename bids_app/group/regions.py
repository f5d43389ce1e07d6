"""T2 of the regions of given segmentations, one row per session and region."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bids_app.report.derivatives import Session
from fetalt2prep.io.mask import resample_nearest
from fetalt2prep.io.sidecar import InputError
from fetalt2prep.io.tables import read_tsv
from fetalt2prep.io.volume import read_volume

COLUMNS: dict[str, tuple[str, str]] = {
    "participant_id": ("Participant", ""),
    "session_id": ("Session, n/a when the data set has none", ""),
    "gestational_age": ("Gestational age at the scan", "week"),
    "index": ("Value of the region in the segmentation", ""),
    "region": ("Name of the region", ""),
    "volume": ("Volume of the region inside the grid of the T2 map", "mL"),
    "t2_valid": ("Share of the region that has a T2", ""),
    "t2_median": ("Median T2", "s"),
    "t2_q25": ("25th percentile of T2", "s"),
    "t2_q75": ("75th percentile of T2", "s"),
}
"""Column -> description and units."""


def region_rows(session: Session, folder: Path, age_weeks: float | None) -> list[dict[str, Any]]:
    """Rows of one session under ``COLUMNS``; none when it has no T2 map or no segmentation.

    The segmentation is brought to the grid of the T2 map by the nearest voxel in scanner space.

    Raises
    ------
    InputError
        A segmentation that cannot be read, or more than one.
    """
    t2_path, segmentation = session.path("T2map.nii.gz"), find_segmentation(session, folder)
    if t2_path is None or segmentation is None:
        return []
    t2_s, affine, _ = read_volume(t2_path)
    labels, label_affine, _ = read_volume(segmentation)
    labels, names = np.rint(labels).astype(np.int64), region_names(segmentation, folder)
    voxel_ml = abs(float(np.linalg.det(affine[:3, :3]))) / 1000
    rows = []
    for index in (int(value) for value in np.unique(labels) if value > 0):
        inside = resample_nearest(labels == index, label_affine, t2_s.shape, affine)
        values = t2_s[inside]
        known = values[np.isfinite(values)]
        q25, q50, q75 = (float(q) for q in np.percentile(known, (25, 50, 75))) if len(known) else (None, None, None)
        content = (
            *(f"sub-{session.subject}", f"ses-{session.label}" if session.label else None, age_weeks),
            *(index, names.get(index, f"region-{index}"), int(inside.sum()) * voxel_ml),
            *(len(known) / len(values) if len(values) else None, q50, q25, q75),
        )
        rows.append(dict(zip(COLUMNS, content, strict=True)))
    return rows


def find_segmentation(session: Session, folder: Path) -> Path | None:
    """The ``dseg`` of a session; None when there is none. Raises InputError when there are several."""
    root = folder / f"sub-{session.subject}" / (f"ses-{session.label}" if session.label else "")
    found = sorted(path for path in root.glob("anat/*_dseg.nii*") if "_desc-reason_" not in path.name)
    if len(found) > 1:
        raise InputError(
            f"{found[0].name}: the session has {len(found)} segmentations, also {found[1].name}. Keep one in {folder}."
        )
    return found[0] if found else None


def region_names(segmentation: Path, root: Path) -> dict[int, str]:
    """Names by value from the nearest ``*_dseg.tsv`` or ``dseg.tsv`` with ``index`` and ``name``, up to the root."""
    own = segmentation.with_name(segmentation.name.partition(".")[0] + ".tsv")
    tables = [
        own,
        *(path for folder in (segmentation.parent, *segmentation.parent.parents) for path in _tables(folder, root)),
    ]
    for path in tables:
        if path.is_file():
            table = read_tsv(path)
            if {"index", "name"} <= set(table):
                return {int(index): name for index, name in zip(table["index"], table["name"], strict=True)}
    return {}


def _tables(folder: Path, root: Path) -> list[Path]:
    inside = folder == root or folder.is_relative_to(root)
    return sorted(folder.glob("*dseg.tsv")) if inside else []
