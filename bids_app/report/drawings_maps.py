"""Figures of the reconstruction and of the maps made from it, and what each of them shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bids_app.report.decay import choose_decays
from bids_app.report.derivatives import Session, Volume, read_volume
from bids_app.report.drawings_slices import CONVENTION
from bids_app.report.figures_fit import figure_decays
from bids_app.report.figures_reasons import figure_reasons
from bids_app.report.figures_recon import figure_recon, shared_window
from bids_app.report.figures_regions import RegionT2, figure_age, figure_regions
from bids_app.report.figures_t2 import (
    DOUBT_COLOURS,
    S0_COLOURS,
    T2_COLOURS,
    MapPicture,
    doubt_range,
    figure_maps,
    round_up,
)
from bids_app.report.ink import ABOVE
from bids_app.report.measured import raw_planes, sharpness
from bids_app.report.pictures import centre_of
from bids_app.report.shown import FigureFolder, Shown
from bids_app.report.t2_volumes import T2Volumes

Echo = tuple[float, Volume]
"""TE in ms and the reconstructed volume."""


def inside_of(echoes: Sequence[Echo], mask: Volume | None) -> NDArray[np.bool_]:
    """The brain: the mask, or where any echo has a signal."""
    values = np.stack([volume.values for _, volume in echoes])
    return mask.values > 0 if mask is not None else np.any(values != 0, axis=0)


def reconstruction(
    folder: FigureFolder, session: Session, echoes: Sequence[Echo], mask: Volume | None
) -> tuple[list[Shown], list[Shown], str]:
    """The reconstructed echoes; the same planes of the raw stacks (empty without them); sharpness of both in words."""
    if not echoes:
        return [], [], ""
    te_ms, values = [te for te, _ in echoes], np.stack([volume.values for _, volume in echoes])
    inside, spacing_mm = inside_of(echoes, mask), echoes[0][1].spacing_mm
    window = shared_window(values, inside)
    times = ", ".join(f"{te:g}" for te in te_ms)
    result = folder.picture(
        figure_recon(values, te_ms, inside, spacing_mm, window=window),
        "rec-inr_desc-recon_T2w",
        title="Reconstructed volumes",
        alt=f"Axial, coronal and sagittal planes of the reconstructed brain at echo times {times} ms.",
        caption=(
            "Planes through the middle of the brain, one row per echo time. One gray window for all"
            f" echo times: black is 0 and white is {window[1]:.4g} scanner units. Voxels of"
            f" {_size(echoes[0][1])} mm. "
        )
        + CONVENTION,
    )
    centre = centre_of(inside)
    raw, counts = zip(*(raw_planes(session, volume, te, centre) for te, volume in echoes), strict=True)
    if not all(counts):
        return [result], [], ""
    before = folder.picture(
        figure_recon(np.where(inside, np.stack(raw), 0), te_ms, inside, spacing_mm, window=window),
        "rec-inr_desc-raw_T2w",
        title="Raw interpolation",
        alt=f"The same planes of the mean of the raw stacks at echo times {times} ms, without motion correction.",
        caption=(
            "The same planes, window and echo times from the mean of the stacks where their headers put them: no motion"
            " correction, no model of the slices."
        ),
    )
    pairs = [
        (sharpness(volume.values, inside, spacing_mm, centre), sharpness(plane, inside, spacing_mm, centre))
        for (_, volume), plane in zip(echoes, raw, strict=True)
    ]
    said = "; ".join(
        f"{after:.1f} against {was:.1f} at {te:g} ms" for te, (after, was) in zip(te_ms, pairs, strict=True)
    )
    words = (
        f"Sharpness, the mean gradient in these planes in per cent of the mean signal per millimetre, result"
        f" against raw"
        f" interpolation: {said}. Noise raises it as well as detail does."
    )
    return [result], [before], words


def density(folder: FigureFolder, values: Volume, inside: NDArray[np.bool_]) -> Shown:
    """How many slices, in effect, a voxel was reconstructed from."""
    known = values.values[inside & np.isfinite(values.values)]
    high = round_up(float(np.percentile(known, 95))) if len(known) else 1.0
    shown = MapPicture(
        values=np.where(inside, values.values, np.nan).astype(np.float32),
        label="effective slices",
        high=high,
        colours="cividis",
    )
    return folder.picture(
        figure_maps([shown], inside, values.spacing_mm),
        "rec-inr_desc-density_T2w",
        title="Data density",
        alt=f"Effective number of slices per voxel in three planes, from 0 to {high:g}.",
        caption=f"Effective number of slices that a voxel was reconstructed from, 0 to {high:g}: dark voxels rest"
        f" on few data.",
    )


def t2_map(folder: FigureFolder, t2: T2Volumes, high_ms: float, field_t: float | None) -> Shown:
    """The T2 map in three planes."""
    shown = MapPicture(values=t2.t2_ms, label="T2 (ms)", high=high_ms, colours=T2_COLOURS)
    where = "an unknown field strength" if field_t is None else f"{field_t:g} T"
    return folder.picture(
        figure_maps([shown], t2.mask, t2.spacing_mm),
        "rec-inr_desc-map_T2map",
        title="T2 map",
        alt=f"T2 map in axial, coronal and sagittal planes, coloured from 0 to {high_ms:g} ms.",
        caption=(
            f"T2 in milliseconds on the fixed range 0 to {high_ms:g} ms (for {where}); longer T2, such as"
            " fluid, takes the brightest colour. Gray: brain voxels without an answer. "
        )
        + CONVENTION,
    )


def other_maps(folder: FigureFolder, t2: T2Volumes, high_ms: float) -> list[Shown]:
    """S0, standard error and residual of the T2 fit; empty when none was written. ``high_ms``: end of the T2 bar."""
    maps, said = [], []
    if t2.s0 is not None:
        values = np.where(t2.mask, t2.s0, np.nan).astype(np.float32)
        known = values[np.isfinite(values)]
        high = float(f"{np.percentile(known, 99):.2g}") if len(known) else 1.0
        maps.append(MapPicture(values=values, label="S0 (scanner units)", high=high, colours=S0_COLOURS))
        said.append(f"S0, the signal at echo time zero, 0 to {high:g} scanner units.")
    if t2.stderr_ms is not None:
        shown, above = _doubt(t2, t2.stderr_ms, high_ms, "standard error (ms)")
        maps.append(shown)
        said.append(f"Standard error of T2 from noise alone, every voxel by itself, 0 to {shown.high:g} ms ({above}).")
    if t2.residual_percent is not None:
        shown, above = _doubt(t2, t2.residual_percent, high_ms, "residual (%)")
        maps.append(shown)
        said.append(
            f"Root mean square of the echoes minus the fitted decay, 0 to {shown.high:g} % of the signal at the"
            f" first echo time ({above})."
        )
    if not maps:
        return []
    return [
        folder.picture(
            figure_maps(maps, t2.mask, t2.spacing_mm),
            "rec-inr_desc-doubt_T2map",
            title="S0 and how sure the T2 map is",
            alt="Maps in three planes: " + " ".join(said),
            caption=" ".join(said)
            + f" The bars of the errors end at the 80th percentile of the voxels with a T2 up to {high_ms:g} ms,"
            f" rounded up;"
            " turquoise: above it, mostly fluid and the border of the brain. Gray: no T2. In the errors dark is"
            " good. Same planes as above.",
        )
    ]


def reasons(folder: FigureFolder, session: Session, t2: T2Volumes) -> list[Shown]:
    """Why voxels have a T2 or none; empty when the codes were not written, or every brain voxel has one."""
    path = session.path("desc-reason_dseg.nii.gz")
    if path is None:
        return []
    codes = read_volume(path).values
    missing = 100.0 * float(np.mean(codes[t2.mask] != 0)) if t2.mask.any() else 0.0
    if missing == 0.0:
        return []
    return [
        folder.picture(
            figure_reasons(codes, t2.mask, t2.spacing_mm),
            "rec-inr_desc-reason_T2map",
            title="Why voxels have a T2 or none",
            alt=f"Reason codes in three planes; {missing:.1f} % of the brain voxels have no T2.",
            caption=f"{missing:.1f} % of the brain voxels have no T2. The planes are those of the T2 map.",
        )
    ]


def spread(folder: FigureFolder, t2: T2Volumes, regions: Sequence[RegionT2], high_ms: float) -> Shown:
    """Histogram and quartiles by region."""
    fluid = None if t2.fluid is None else t2.fluid[t2.mask]
    return folder.curves(
        figure_regions(t2.brain_ms, fluid, regions, high_ms),
        "rec-inr_desc-histogram_T2map",
        title="T2 by region",
        alt=f"Histogram of T2 in the brain mask from 0 to {high_ms:g} ms, and median and quartiles of"
        f" {len(regions)} regions.",
        caption=(
            f"Above: T2 of every voxel in the brain mask, in the colours of the map; values above {high_ms:g} ms"
            " are counted in the last bin. Below: middle half (bar) and median (line) of each region, on the same axis."
        ),
        kind="small",
    )


def decays(folder: FigureFolder, t2: T2Volumes, echoes: Sequence[Echo], high_ms: float) -> list[Shown]:
    """Decay at chosen voxels; empty without S0 or echoes."""
    if t2.s0 is None or len(echoes) < 2:
        return []
    values = np.stack([volume.values for _, volume in echoes])
    found = choose_decays(t2.t2_ms, t2.s0, t2.stderr_ms, values, [te for te, _ in echoes], t2.mask)
    if not found:
        return []
    return [
        folder.curves(
            figure_decays(found, high_ms),
            "rec-inr_desc-decay_T2map",
            title="Decay at chosen voxels",
            alt="Signal against echo time with the fitted decay, at voxels with T2 "
            + ", ".join(f"{d.t2_ms:.0f}" for d in found)
            + " ms.",
            caption=(
                "Reconstructed echoes (dots), fitted decay (lines) and its 95 % band, on a logarithmic scale, at"
                " the voxels that lie"
                " at fixed percentiles of T2 in the mask. The band follows from the standard error of T2 under"
                " equal noise in every"
                " echo. With the models decay and bridge the echoes were reconstructed to follow a decay, so dots"
                " on the line"
                " are no proof of one: see measured against predicted intensity."
            ),
            kind="small",
        )
    ]


def context(
    folder: FigureFolder, regions: Sequence[RegionT2], age_weeks: float | None, field_t: float | None
) -> list[Shown]:
    """T2 beside gestational age and literature; empty without regions of tissue."""
    if not regions:
        return []
    when = "unknown gestational age" if age_weeks is None else f"{age_weeks:g} weeks"
    return [
        folder.curves(
            figure_age(regions, age_weeks, field_t),
            "rec-inr_desc-age_T2map",
            title="T2 and gestational age, beside the literature",
            alt=f"Median T2 of {', '.join(r.name for r in regions)} at {when}, with values of white and grey matter"
            f" from the literature.",
            caption=(
                "Blue: this session, median and middle half. Lines and bands: single values and simulator settings"
                " that others wrote"
                " down, at this field strength (full) or another (faint). They are context, not a norm: neither"
                " their spread"
                " over healthy fetuses nor their change with age is known."
            ),
            kind="small",
        )
    ]


def _size(volume: Volume) -> str:
    return " × ".join(f"{z:.3g}" for z in volume.spacing_mm)


def _doubt(t2: T2Volumes, doubt: NDArray[np.float32], high_ms: float, label: str) -> tuple[MapPicture, str]:
    """A map of errors in the brain, and in words how much of it lies above its colour bar."""
    values = np.where(t2.mask, doubt, np.nan).astype(np.float32)
    high = doubt_range(values, t2.t2_ms, high_ms)
    known = values[np.isfinite(values)]
    percent = 100.0 * float(np.mean(known > high)) if len(known) else 0.0
    shown = MapPicture(values=values, label=label, high=high, colours=DOUBT_COLOURS, above=ABOVE)
    rounded = "less than 1" if 0 < percent < 1 else f"{percent:.0f}"
    return shown, f"{rounded} % of the brain voxels above"
