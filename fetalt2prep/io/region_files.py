"""Share of fluid and T2 of regions, from maps to files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fetalt2prep.core.t2.csf import CsfOptions, csf_share
from fetalt2prep.core.t2.fit import T2Fit
from fetalt2prep.core.t2.regions import CLASSES, T2Maps, region_columns, t2_classes, tissue_reference
from fetalt2prep.io.echoes import Echoes
from fetalt2prep.io.label_sets import labels_of
from fetalt2prep.io.segmentation import load_segmentation
from fetalt2prep.io.tables import write_tsv
from fetalt2prep.io.volume import save_volume

BRAIN = 1000
DESCRIPTIONS = {
    "index": ("Label of the region; 1000 is the whole mask", None),
    "name": ("Region", None),
    "n_voxels": ("Voxels of the region", None),
    "volume_mm3": ("Volume of the region", "mm3"),
    "valid_fraction": ("Share of its voxels that have a T2", None),
    "t2_median_s": ("Median T2 over the voxels that have one", "s"),
    "t2_q25_s": ("First quartile of T2", "s"),
    "t2_q75_s": ("Third quartile of T2", "s"),
    "t2_mean_s": ("Mean T2, voxels weighted by (T2 / standard error)^2", "s"),
    "t2_mean_stderr_s": ("Standard error of that mean, from the weighted spread over independent voxels", "s"),
    "core_n_voxels": ("Voxels that touch no other region", None),
    "core_t2_median_s": ("Median T2 over those", "s"),
    "t2_tissue_median_s": ("Median T2, voxels weighted by the probability of less than 5 % fluid", "s"),
    "csf_flagged_fraction": ("Share of voxels that more probably than not hold 5 % fluid or more", None),
    "gestational_age_weeks": ("Gestational age at the scan", "week"),
}


@dataclass(frozen=True, kw_only=True)
class Regions:
    """Where T2 is measured."""

    labels: NDArray[np.int32]
    """(x, y, z)."""
    names: dict[int, str]
    tissue: frozenset[int]
    """Labels that are brain tissue: there fluid is partial volume."""
    source: str
    notes: list[str] = field(default_factory=list)


def regions_of(
    maps: T2Maps,
    reason: NDArray[np.integer],
    inside: NDArray[np.bool_],
    affine: NDArray[np.float64],
    *,
    segmentation: Path | None = None,
    labels: str | Path | None = None,
) -> Regions:
    """Regions of a segmentation, else classes of T2, called so."""
    if segmentation is None:
        return Regions(
            labels=t2_classes(maps.t2_s, reason, inside).astype(np.int32),
            names=dict(CLASSES),
            tissue=frozenset(CLASSES),
            source="classes of T2 in the mask: no anatomy",
        )
    known = labels_of(segmentation, labels)
    values, notes = load_segmentation(segmentation, maps.t2_s.shape, affine)
    unnamed = sorted(set(np.unique(values).tolist()) - set(known.names) - {0})
    if unnamed:
        notes.append(f"labels without a name, left out: {', '.join(map(str, unnamed))}")
    present = {index: name for index, name in known.names.items() if (values == index).any()}
    return Regions(
        labels=values, names=present, tissue=known.tissue, source=f"{segmentation.name}, {known.source}", notes=notes
    )


def fluid_shares(
    maps: T2Maps,
    s0: NDArray[np.floating],
    echoes: NDArray[np.float32],
    te_s: list[float],
    stderr: NDArray[np.floating],
    inside: NDArray[np.bool_],
    regions: Regions,
    voxel_mm: NDArray[np.floating],
) -> tuple[NDArray[np.float32], NDArray[np.float32], dict[str, Any]]:
    """Expected share of fluid and probability of 5 % or more, (x, y, z), NaN outside tissue; and what was assumed."""
    if regions.tissue == frozenset(CLASSES):
        where = inside.astype(np.int32)  # one reference for all: classes of T2 say nothing of partial volume
    else:
        where = np.where(inside & np.isin(regions.labels, list(regions.tissue)), regions.labels, 0)
    reference = tissue_reference(maps, s0, where, voxel_mm)
    prior = CsfOptions(tissue_log_sd=reference.log_sd)
    found = csf_share(
        torch.from_numpy(np.where(inside, echoes, np.nan)),
        torch.tensor(te_s, dtype=torch.float64),
        torch.from_numpy(np.asarray(stderr)),
        tissue_t2_s=torch.from_numpy(reference.t2_s),
        tissue_s0=torch.from_numpy(reference.s0),
        options=prior,
    )
    modes = {
        regions.names.get(int(index), "brain"): float(np.nanmedian(reference.t2_s[where == index]))
        for index in np.unique(where[np.isfinite(reference.t2_s) & (where > 0)])
    }
    assumed = {"tissue_t2_s": modes, "tissue_log_sd": prior.tissue_log_sd, "fluid_t2_s": prior.fluid_t2_s}
    return found.share.numpy(), found.probability.numpy(), assumed


def write_region_table(
    regions: Regions,
    inside: NDArray[np.bool_],
    maps: T2Maps,
    voxel_mm3: float,
    tsv: Path,
    *,
    element_mm3: float | None = None,
    gestational_age_weeks: float | None = None,
    facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write one row per region and one for the whole mask, with a JSON beside it; returns the JSON's content."""
    whole = np.where(inside, BRAIN, 0)
    columns = region_columns(whole, {BRAIN: "brain"}, maps, voxel_mm3=voxel_mm3, element_mm3=element_mm3)
    parts = region_columns(regions.labels, regions.names, maps, voxel_mm3=voxel_mm3, element_mm3=element_mm3)
    for name, values in parts.items():
        columns[name] = [*columns[name], *values]
    columns["gestational_age_weeks"] = [gestational_age_weeks] * len(columns["name"])
    write_tsv(columns, tsv)
    content: dict[str, Any] = {
        name: {"Description": text} | ({"Units": unit} if unit else {}) for name, (text, unit) in DESCRIPTIONS.items()
    }
    content |= {"Regions": regions.source, "Notes": regions.notes, "IndependentVolume": element_mm3, **(facts or {})}
    tsv.with_suffix(".json").write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    return content


def write_regions_of_fit(
    fit: T2Fit,
    echoes: Echoes,
    inside: NDArray[np.bool_],
    segmentation: Path | None,
    labels: str | None,
    folder: Path,
    *,
    stderr: torch.Tensor | None,
) -> dict[str, Any]:
    """``regions.tsv`` with its JSON, and ``csf.nii.gz`` (probability of 5 % fluid or more) when the standard error of
    the echoes is known; returns what an account says of them.
    """
    voxel_mm = np.linalg.norm(echoes.affine[:3, :3], axis=0)
    maps = T2Maps(t2_s=fit.t2_s.cpu().numpy(), stderr_s=fit.t2_stderr_s.cpu().numpy())
    reason = fit.reason.cpu().numpy()
    regions = regions_of(maps, reason, inside, echoes.affine, segmentation=segmentation, labels=labels)
    facts: dict[str, Any] = {}
    if stderr is not None:
        arrays = (fit.s0.cpu().numpy(), echoes.values, list(echoes.te_s), stderr.numpy())
        _, probability, assumed = fluid_shares(maps, *arrays, inside, regions, voxel_mm)
        save_volume(probability, echoes.affine, folder / "csf.nii.gz")
        maps = T2Maps(t2_s=maps.t2_s, stderr_s=maps.stderr_s, csf_probability=probability)
        facts["FluidAssumptions"] = assumed
    write_region_table(regions, inside, maps, float(np.prod(voxel_mm)), folder / "regions.tsv", facts=facts)
    return {"regions": regions.source, "region_notes": regions.notes}
