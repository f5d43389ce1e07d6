"""T2 of regions: numbers that a table of a study is made of. Arrays in, columns out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fetalt2prep.core.t2.fit import T2Reason

Doubles = NDArray[np.floating]
Labels = NDArray[np.integer]
TISSUE_BELOW_S, FLUID_ABOVE_S = 0.5, 1.0
CLASSES = {1: "t2class_tissue", 2: "t2class_mixed", 3: "t2class_fluid"}
SMOOTH_MM = 10.0
LOG_SD_RANGE = (0.06, 0.30)


@dataclass(frozen=True, kw_only=True)
class T2Maps:
    """What regions are measured on, all (x, y, z)."""

    t2_s: Doubles
    """NaN without an answer."""
    stderr_s: Doubles
    """NaN where it is not known."""
    csf_probability: Doubles | None = None
    """That 5 % or more of the voxel is fluid."""


def region_columns(
    labels: Labels, names: Mapping[int, str], maps: T2Maps, *, voxel_mm3: float, element_mm3: float | None = None
) -> dict[str, list[object]]:
    """One row per region of ``names``, in their order, also for those without a voxel.

    labels: (x, y, z), an index of ``names`` or anything else outside. ``element_mm3``: volume over which voxels are not
    independent (what the scanner resolved); None: that of a voxel. It widens the standard errors of means.

    Columns: ``index``, ``name``, ``n_voxels``, ``volume_mm3``, ``valid_fraction`` (voxels with a T2), median and
    quartiles; ``t2_mean_s``, weighted by (T2 / standard error)^2, with ``t2_mean_stderr_s`` from the weighted spread;
    ``core_*``, without the voxels that touch another region; ``t2_tissue_median_s``, weighted by the probability that
    there is less than 5 % fluid; ``csf_flagged_fraction``.
    """
    repeated = max(1.0, (element_mm3 or voxel_mm3) / voxel_mm3)
    rows = []
    for index, name in names.items():
        inside = labels == index
        rows.append(
            {"index": index, "name": name, "n_voxels": int(inside.sum()), "volume_mm3": float(inside.sum() * voxel_mm3)}
            | _spread(inside, maps)
            | _mean(inside, maps, repeated)
            | _core(inside, maps)
            | _without_fluid(inside, maps)
        )
    return {column: [row[column] for row in rows] for column in rows[0]} if rows else {}


def _valid(inside: NDArray[np.bool_], maps: T2Maps) -> NDArray[np.bool_]:
    return np.asarray(inside & np.isfinite(maps.t2_s))


def _spread(inside: NDArray[np.bool_], maps: T2Maps) -> dict[str, object]:
    values = maps.t2_s[_valid(inside, maps)]
    q25, q50, q75 = np.percentile(values, (25, 50, 75)) if values.size else (np.nan,) * 3
    return {
        "valid_fraction": values.size / inside.sum() if inside.any() else float("nan"),
        "t2_median_s": float(q50),
        "t2_q25_s": float(q25),
        "t2_q75_s": float(q75),
    }


def _mean(inside: NDArray[np.bool_], maps: T2Maps, repeated: float) -> dict[str, object]:
    valid = _valid(inside, maps) & (maps.stderr_s > 0)
    if valid.sum() < 2:
        return {"t2_mean_s": float("nan"), "t2_mean_stderr_s": float("nan")}
    values = maps.t2_s[valid].astype(np.float64)
    weight = np.square(values / maps.stderr_s[valid])
    mean = float(np.sum(weight * values) / weight.sum())
    own = float(np.sqrt(np.sum(np.square(weight * (values - mean)))) / weight.sum())
    return {"t2_mean_s": mean, "t2_mean_stderr_s": own * float(np.sqrt(repeated))}


def _core(inside: NDArray[np.bool_], maps: T2Maps) -> dict[str, object]:
    core = ndimage.binary_erosion(inside, border_value=1)
    values = maps.t2_s[_valid(core, maps)]
    return {
        "core_n_voxels": int(core.sum()),
        "core_t2_median_s": float(np.median(values)) if values.size else float("nan"),
    }


def _without_fluid(inside: NDArray[np.bool_], maps: T2Maps) -> dict[str, object]:
    if maps.csf_probability is None:
        return {"t2_tissue_median_s": float("nan"), "csf_flagged_fraction": float("nan")}
    told = inside & np.isfinite(maps.csf_probability)
    flagged = float(np.mean(maps.csf_probability[told] > 0.5)) if told.any() else float("nan")
    valid = _valid(told, maps)
    median = weighted_median(maps.t2_s[valid], 1.0 - maps.csf_probability[valid])
    return {"t2_tissue_median_s": median, "csf_flagged_fraction": flagged}


def weighted_median(values: Doubles, weights: Doubles) -> float:
    """Value below and above which half of the weight lies, (n,); NaN without any weight."""
    total = float(weights.sum()) if values.size else 0.0
    if not total > 0:
        return float("nan")
    order = np.argsort(values)
    middle = np.cumsum(weights[order]) - 0.5 * weights[order]
    return float(np.interp(0.5 * total, middle, values[order]))


def t2_classes(t2_s: Doubles, reason: Labels, inside: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Classes by T2 alone, indices of ``CLASSES``: they are no anatomy, and their names say so.

    Below 0.5 s, above 1 s (or a decay too slow to be seen), and between; 0 outside and where there is no answer.
    """
    classes = np.zeros(t2_s.shape, np.int16)
    classes[t2_s < TISSUE_BELOW_S] = 1
    classes[(t2_s >= TISSUE_BELOW_S) & (t2_s < FLUID_ABOVE_S)] = 2
    classes[(t2_s >= FLUID_ABOVE_S) | (reason == T2Reason.RISING)] = 3
    return np.where(inside, classes, 0).astype(np.int16)


@dataclass(frozen=True, kw_only=True)
class TissueReference:
    """What pure tissue would have in each voxel, (x, y, z), NaN where no tissue is expected."""

    t2_s: Doubles
    s0: Doubles
    log_sd: float
    """Spread of the tissue's T2, of its logarithm: the widest of the regions'."""


def tissue_reference(maps: T2Maps, s0: Doubles, regions: Labels, voxel_mm: Doubles) -> TissueReference:
    """Pure tissue from the maps themselves: the most frequent T2 of each region, and S0 smoothed over 10 mm.

    regions: (x, y, z), above 0 where tissue is expected, one index per tissue. Partial volume with fluid makes T2
    longer, never shorter: the spread is taken from below the mode.
    """
    t2 = np.full(maps.t2_s.shape, np.nan)
    spreads = []
    for index in np.unique(regions[regions > 0]):
        inside = regions == index
        values = maps.t2_s[inside & (maps.t2_s < FLUID_ABOVE_S)]
        if values.size < 10:
            continue
        mode, spread = _mode_of_log(np.log(values.astype(np.float64)))
        relative = maps.stderr_s[inside] / maps.t2_s[inside]
        noise = float(np.nanmedian(relative)) if np.isfinite(relative).any() else 0.0
        spreads.append(np.sqrt(max(spread**2 - noise**2, 0.0)))
        t2[inside] = np.exp(mode)
    tissue = np.isfinite(s0) & (maps.t2_s < TISSUE_BELOW_S) & (regions > 0)
    sigma = SMOOTH_MM / np.asarray(voxel_mm)
    weight = ndimage.gaussian_filter(tissue.astype(np.float64), sigma)
    total = ndimage.gaussian_filter(np.where(tissue, np.log(np.where(tissue, s0, 1.0)), 0.0), sigma)
    with np.errstate(divide="ignore", invalid="ignore"):
        smooth = np.exp(np.where(weight > 1e-6, total / weight, np.nan))
    return TissueReference(t2_s=t2, s0=smooth, log_sd=float(np.clip(max(spreads, default=0.0), *LOG_SD_RANGE)))


def _mode_of_log(values: Doubles) -> tuple[float, float]:
    """Most frequent value by a kernel of Silverman's width, and the spread of what lies below it."""
    width = 0.9 * max(min(np.std(values), np.subtract(*np.percentile(values, (75, 25))) / 1.34), 1e-3)
    width *= values.size**-0.2
    edges = np.arange(values.min() - 4 * width, values.max() + 4 * width, width / 4)
    if len(edges) < 3:
        return float(np.median(values)), 0.0
    density = ndimage.gaussian_filter1d(np.histogram(values, edges)[0].astype(np.float64), 4.0)
    mode = float((edges[:-1] + edges[1:])[int(np.argmax(density))] / 2)
    below = mode - values[values < mode]
    return mode, float(np.sqrt(np.mean(below**2))) if below.size else 0.0
