"""The T2 map before and after its refinement, the guide, and where both disagree."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_app.report.derivatives import Session, Volume, read_volume
from bids_app.report.figures_t2 import S0_COLOURS, T2_COLOURS, MapPicture, figure_maps
from bids_app.report.ink import ABOVE
from bids_app.report.shown import FigureFolder, Shown

FACTS = "desc-guided_stats.json"
GUIDES = ("desc-guide_T2w.nii.gz", "desc-guide1_T2w.nii.gz")


def guided(folder: FigureFolder, session: Session, high_ms: float) -> list[Shown]:
    """Four rows: T2 before and after, the first guide, mismatch; empty when nothing was refined."""
    path, facts = session.path("desc-guided_T2map.nii.gz"), read_facts(session)
    before, mismatch = session.path("T2map.nii.gz"), session.path("desc-mismatch_T2w.nii.gz")
    guide = next((found for name in GUIDES if (found := session.path(name))), None)
    if path is None or before is None or mismatch is None or guide is None:
        return []
    after = read_volume(path)
    mask = np.isfinite(after.values)
    coarse_ms = 1000 * on_grid_of(read_volume(before), after)
    picture = read_volume(guide).values
    rows = [
        _map(coarse_ms, mask, "T2 before (ms)", high_ms, T2_COLOURS),
        _map(1000 * after.values, mask, "T2 after (ms)", high_ms, T2_COLOURS),
        _map(picture, mask, "guide", float(np.percentile(picture[mask], 99)) if mask.any() else 1.0, S0_COLOURS),
        _map(read_volume(mismatch).values, mask, "mismatch", 1.0, "magma"),
    ]
    change = np.abs(1000 * after.values - coarse_ms)[mask]
    middle = float(np.nanmedian(change)) if np.isfinite(change).any() else float("nan")
    said = " ".join(sentences(facts))
    return [
        folder.picture(
            figure_maps(rows, mask, after.spacing_mm),
            f"rec-{session.rec}_desc-guided_T2map",
            title="T2 map refined by a guide",
            alt="T2 before and after, the guide and the mismatch in three planes. " + said,
            caption=(
                f"T2 before and after, 0 to {high_ms:g} ms, the guide as it was registered, and where guide and map"
                f" disagree (bright: there the guide is not believed). Median change of T2: {middle:.1f} ms. {said} The"
                " regions, the histogram and all other figures are of the map before."
            ),
        )
    ]


def read_facts(session: Session) -> dict[str, Any]:
    """Account of the refinement; empty when there is none."""
    path = session.path(FACTS)
    return json.loads(path.read_text("utf-8")) if path else {}


def sentences(facts: dict[str, Any]) -> list[str]:
    """What was chosen for each guide and why, and how much of the brain disagrees."""
    found = [f"{row['file']}: {row['why']}." for row in facts.get("guides", [])]
    share = facts.get("mismatch", {}).get("share_above_half")
    return found + ([f"Guide and map disagree in {100 * share:.1f} % of the voxels."] if share is not None else [])


def on_grid_of(volume: Volume, grid: Volume) -> NDArray[np.float32]:
    """Values of a volume at the nearest voxel of each point of a grid, NaN outside."""
    points = np.moveaxis(np.indices(grid.values.shape), 0, -1) @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    inverse = np.linalg.inv(volume.affine)
    index = np.rint(points @ inverse[:3, :3].T + inverse[:3, 3]).astype(int)
    there = ((index >= 0) & (index < volume.values.shape)).all(-1)
    inside = np.where(there[..., None], index, 0)
    values = volume.values[inside[..., 0], inside[..., 1], inside[..., 2]]
    return np.where(there & (values > 0), values, np.nan).astype(np.float32)


def _map(values: NDArray[np.floating], mask: NDArray[np.bool_], label: str, high: float, colours: str) -> MapPicture:
    shown = np.where(mask, values, np.nan).astype(np.float32)
    above = ABOVE if colours == "magma" else None
    return MapPicture(values=shown, label=label, high=high, colours=colours, above=above)
