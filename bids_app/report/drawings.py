"""Draws the figures of one session, writes them to ``sub-X/figures``, and says what each one shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bids_app.report.derivatives import Session, Volume, read_volume, stack_motions, stack_pictures
from bids_app.report.figures_motion import figure_motion, figure_weights
from bids_app.report.figures_reasons import figure_reasons
from bids_app.report.figures_recon import figure_recon, shared_window
from bids_app.report.figures_stacks import figure_stacks
from bids_app.report.figures_t2 import (
    DOUBT_COLOURS,
    T2_COLOURS,
    MapPicture,
    doubt_range,
    figure_histogram,
    figure_maps,
)
from bids_app.report.ink import ABOVE, save_png, save_svg
from bids_app.report.t2_volumes import T2Volumes
from bids_app.report.viewer import write_viewer
from bids_app.report.words import plural

CONVENTION = (
    "Radiological convention: the right of the scanner frame (R) is on the left of the picture. The letters"
    " and the names of the planes belong to the scanner, not to the fetus, whose head may lie at any angle."
)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A figure on the page."""

    src: str
    """Path relative to the page."""
    title: str
    alt: str
    caption: str
    width: int
    height: int
    kind: str
    """How it is set: ``dark`` (pictures), ``curve`` (wide curves), ``small`` (narrow curves)."""


class Drawer:
    """Writes figures of one session under the page's folder and describes them."""

    def __init__(self, out_dir: Path, session: Session) -> None:
        self._out_dir = out_dir
        self._session = session

    def _write(self, figure: Figure, entities: str, kind: str, *, title: str, alt: str, caption: str) -> Shown:
        session = self._session
        save: Callable[[Figure, Path], None] = save_png if kind == "dark" else save_svg
        name = f"{session.name}_{entities}.{'png' if kind == 'dark' else 'svg'}"
        save(figure, self._out_dir / f"sub-{session.subject}" / "figures" / name)
        width, height = (round(100 * inches) for inches in figure.get_size_inches())
        return Shown(
            src=f"./sub-{session.subject}/figures/{name}",
            title=title,
            alt=alt,
            caption=caption,
            width=width,
            height=height,
            kind=kind,
        )

    def masks(self) -> list[Shown]:
        """Contact sheet of the stacks; empty when no preprocessed stack with a mask was written."""
        stacks = stack_pictures(self._session)
        if not stacks:
            return []
        names = ", ".join(f"{s.label} at {s.te_ms:g} ms" for s in stacks)
        return [
            self._write(
                figure_stacks(stacks),
                "desc-stacks_T2w",
                "dark",
                title="Stacks with mask outlines",
                alt=f"Three planes through the mask centre of each stack, the brain mask outlined: {names}.",
                caption=(
                    "Each stack as it entered the reconstruction: first the plane in which it was acquired,"
                    " then two planes across its slices, where motion shows as a jagged edge. Orange: outline"
                    " of the brain mask. All at one scale; black is 0 and white the 99.5th percentile in the"
                    " mask, stack by stack. "
                )
                + CONVENTION,
            )
        ]

    def reconstruction(self, mask: Volume | None) -> list[Shown]:
        """The reconstructed echoes; empty when there are none."""
        files = self._session.echoes()
        if not files:
            return []
        volumes = [read_volume(path) for _, path in files]
        te_ms = [te for te, _ in files]
        echoes = np.stack([v.values for v in volumes])
        inside = mask.values > 0 if mask is not None else np.any(echoes != 0, axis=0)
        _, high = shared_window(echoes, inside)
        times = ", ".join(f"{te:g}" for te in te_ms)
        return [
            self._write(
                figure_recon(echoes, te_ms, inside, volumes[0].spacing_mm),
                "rec-inr_desc-recon_T2w",
                "dark",
                title="Reconstructed volumes",
                alt=(f"Axial, coronal and sagittal planes of the reconstructed brain at echo times {times} ms."),
                caption=(
                    "Planes through the middle of the brain, one row per echo time. One gray window for all"
                    f" echo times: black is 0 and white is {high:.4g} scanner units. Voxels of"
                    f" {_size(volumes[0])} mm. "
                )
                + CONVENTION,
            )
        ]

    def t2_map(self, t2: T2Volumes, high_ms: float, field_t: float | None) -> Shown:
        """The T2 map in three planes."""
        shown = MapPicture(values=t2.t2_ms, label="T2 (ms)", high=high_ms, colours=T2_COLOURS)
        where = "an unknown field strength" if field_t is None else f"{field_t:g} T"
        return self._write(
            figure_maps([shown], t2.mask, t2.spacing_mm),
            "rec-inr_desc-map_T2map",
            "dark",
            title="T2 map",
            alt=f"T2 map in axial, coronal and sagittal planes, coloured from 0 to {high_ms:g} ms.",
            caption=(
                f"T2 in milliseconds on the fixed range 0 to {high_ms:g} ms (for {where}); longer T2, such as"
                " fluid, takes the brightest colour. Gray: brain voxels without an answer. "
            )
            + CONVENTION,
        )

    def viewer(self, high_ms: float) -> str | None:
        """A page to click through the T2 map; its path relative to the report, None without a map."""
        session = self._session
        t2map, echoes = session.path("T2map.nii.gz"), session.echoes()
        if t2map is None or not echoes:
            return None
        src = f"sub-{session.subject}/figures/{session.name}_rec-inr_desc-viewer_T2map.html"
        write_viewer(t2map, echoes[0][1], high_ms, self._out_dir / src)
        return f"./{src}"

    def t2_spread(self, t2: T2Volumes, high_ms: float) -> Shown:
        """Histogram of T2."""
        return self._write(
            figure_histogram(t2.brain_ms, high_ms),
            "rec-inr_desc-histogram_T2map",
            "small",
            title="Histogram of T2",
            alt=f"Histogram of T2 in the brain mask from 0 to {high_ms:g} ms with median and middle half.",
            caption=(
                f"T2 of every voxel in the brain mask, in the colours of the map. Values above {high_ms:g} ms"
                " are counted in the last bin. Line: median; band: middle half."
            ),
        )

    def t2_doubt(self, t2: T2Volumes, high_ms: float) -> list[Shown]:
        """Standard error and residual of the T2 fit; empty when neither was written. ``high_ms``: end of the T2 bar."""
        maps, said = [], []
        if t2.stderr_ms is not None:
            shown, above = _doubt(t2, t2.stderr_ms, high_ms, "standard error (ms)")
            maps.append(shown)
            said.append(
                f"Standard error of T2 from noise alone, every voxel by itself, 0 to {shown.high:g} ms ({above})."
            )
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
            self._write(
                figure_maps(maps, t2.mask, t2.spacing_mm),
                "rec-inr_desc-doubt_T2map",
                "dark",
                title="How sure the T2 map is",
                alt="Maps in three planes: " + " ".join(said),
                caption=" ".join(said)
                + f" Each bar ends at the 95th percentile of the voxels with a T2 up to {high_ms:g} ms, rounded up;"
                " turquoise: above it, mostly fluid. Gray: no T2. Dark is good. Same planes as above.",
            )
        ]

    def reasons(self, t2: T2Volumes) -> list[Shown]:
        """Why voxels have a T2 or none; empty when the codes were not written."""
        path = self._session.path("desc-reason_dseg.nii.gz")
        if path is None:
            return []
        codes = read_volume(path).values
        missing = 100.0 * float(np.mean(codes[t2.mask] != 0)) if t2.mask.any() else 0.0
        return [
            self._write(
                figure_reasons(codes, t2.mask, t2.spacing_mm),
                "rec-inr_desc-reason_T2map",
                "dark",
                title="Why voxels have a T2 or none",
                alt=f"Reason codes in three planes; {missing:.1f} % of the brain voxels have no T2.",
                caption=f"{missing:.1f} % of the brain voxels have no T2. The planes are those of the T2 map.",
            )
        ]

    def motion(self) -> list[Shown]:
        """Curves of motion and the heat map of weights; empty without a slice table."""
        stacks = stack_motions(self._session)
        if not stacks:
            return []
        n_aside = sum(int((s.status == "set-aside").sum()) for s in stacks)
        timed = all(np.isfinite(s.time_s).all() for s in stacks)
        order = (
            "order of acquisition" if timed else "order of acquisition where slice times are known, else of slice index"
        )
        return [
            self._write(
                figure_motion(stacks),
                "rec-inr_desc-motion_T2w",
                "curve",
                title="Motion of the slices",
                alt=f"Rotation and displacement of each slice about three axes, for {len(stacks)} stacks.",
                caption=(
                    f"Where the reconstruction put each slice, against where its header puts it, in {order}:"
                    " rotation vector in degrees (left) and displacement of the slice centre in millimetres"
                    f" (right), about and along the axes of the scanner. Crosses: {plural(n_aside, 'slice')} set"
                    " aside. Slices without brain are left out. One range for all stacks."
                ),
            ),
            self._write(
                figure_weights(stacks),
                "rec-inr_desc-weights_T2w",
                "curve",
                title="Weights of the slices",
                alt=(
                    f"Heat map of slice weights from 0 to 1, one row per stack; {plural(n_aside, 'slice')} crossed out."
                ),
                caption=(
                    "How much each slice counts: 1 in full, 0 not at all. Crosses: set aside. Blank: no brain"
                    " in the slice."
                ),
            ),
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
