"""The parts of the page that belong to one session."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bids_app.report import audit, drawings_guided, drawings_maps, drawings_slices
from bids_app.report.derivatives import Session, numbers, read_volume, short_label, stack_motions
from bids_app.report.figures_recon import shared_window
from bids_app.report.figures_t2 import t2_range_ms
from bids_app.report.gaps import gap_sentences, gap_warning
from bids_app.report.literature import told
from bids_app.report.measured import agreements, stack_pictures
from bids_app.report.page import Page, json_block
from bids_app.report.prediction import Placed
from bids_app.report.regions import (
    budget_warnings,
    gestational_age,
    largest_bias,
    regions_content,
    regions_t2,
    tissue_regions,
)
from bids_app.report.shown import FigureFolder, Shown
from bids_app.report.t2_volumes import T2Volumes, brain_mask, read_t2
from bids_app.report.tables import STACK_COLUMNS, cards, stack_rows
from bids_app.report.verdict import Evidence, judge
from bids_app.report.viewer import viewer_colours, viewer_volumes
from bids_app.report.words import (
    count,
    listed,
    summary,
    warnings,
    why_no_t2,
    why_slices_were_set_aside,
    why_stacks_were_set_aside,
)

VIEWER_NOTE = (
    "Drawn by NiiVue (BSD-2-Clause), which this page holds; volumes of more than 1.5 million voxels are averaged"
    " over blocks."
    " Values under the cross hair are those of the page's copy: T2 to 1 ms and up to 4 s, echoes in 255 steps."
)


class SessionPage:
    """Draws one session and adds it to the page."""

    def __init__(
        self,
        page: Page,
        out_dir: Path,
        session: Session,
        *,
        heading: str | None,
        number: int,
        single_file: bool,
        viewer: bool,
    ) -> None:
        self._page, self._session, self._number, self._viewer = page, session, number, viewer
        self._add: Any = page.part_of(heading)
        self._folder = FigureFolder(out_dir, session.subject, session.name, inside=single_file)
        self._counts = count(session.stacks, session.slices)
        self._field_t = session.field_t()
        self._high_ms = t2_range_ms(self._field_t)
        mask = brain_mask(session)
        self._mask = mask
        self._echoes = [(te, read_volume(path)) for te, path in session.echoes()]
        self._t2 = read_t2(session, mask)
        self._regions = regions_t2(session)
        self._result: list[Shown] = []

    def add(self, not_asked: str, errors: tuple[str, ...], crash: str) -> None:
        """All sections; ``not_asked`` stands where a later step would be when the run was to leave it out."""
        maps = []
        if self._t2:
            maps = [drawings_maps.t2_map(self._folder, self._t2, self._high_ms, self._field_t)]
        self._add_summary(not_asked, maps, errors, crash)
        self._add_measured(not_asked)
        self._add_maps(not_asked, maps)
        self._add("regions", "regions.html", **regions_content(self._session))
        if self._viewer and self._echoes:
            self._add_viewer(maps)

    def _snr(self) -> list[float]:
        """Median signal of the brain over the noise of a pixel, per echo."""
        sigma = self._session.facts.get("noise_sigma")
        if not self._echoes or not isinstance(sigma, int | float) or not sigma > 0:
            return []
        inside = drawings_maps.inside_of(self._echoes, self._mask)
        return (
            [float(np.median(volume.values[inside])) / float(sigma) for _, volume in self._echoes]
            if inside.any()
            else []
        )

    def _add_summary(self, not_asked: str, maps: list[Shown], errors: tuple[str, ...], crash: str) -> None:
        session, counts, t2 = self._session, self._counts, self._t2
        brain = t2.brain_ms if t2 else None
        tissue = tissue_regions(self._regions)
        stderr = t2.stderr_ms[t2.mask] if t2 and t2.stderr_ms is not None else None
        snr = self._snr()
        verdict = judge(self._evidence(not_asked, errors, t2))
        short = (
            replace(maps[0], caption=f"T2 map, 0 to {self._high_ms:g} ms; how to read it is under Quantitative maps.")
            if maps
            else None
        )
        self._add(
            "summary",
            "summary.html",
            verdict=verdict,
            crash=crash if errors else "",
            errors=bool(errors),
            cards=cards(counts, t2, tissue, snr if len(snr) == len(counts.te_ms) else (), largest_bias(session)),
            sentences=summary(counts, brain, reconstructed=bool(self._echoes), not_asked=not_asked),
            warnings=[
                said
                for said in warnings(session, counts, brain, self._high_ms, stderr, told=errors)
                if said not in verdict.reasons
            ],
            map=short,
        )

    def _evidence(self, not_asked: str, errors: tuple[str, ...], t2: T2Volumes | None) -> Evidence:
        session = self._session
        status = np.array(session.slices.get("status", []), dtype=np.str_)
        ncc = numbers(session.slices, "ncc")[status == "used"]
        ncc = ncc[np.isfinite(ncc)]
        found = audit.read(session, audit.AUDIT_TABLE)
        tissue = tissue_regions(self._regions)
        stacks = zip(session.stacks.get("stack", []), session.stacks.get("status", []), strict=False)
        aside = {short_label(name) for name, status in stacks if status == "set-aside"}  # their reasons are told
        return Evidence(
            counts=self._counts,
            reconstructed=bool(self._echoes) or bool(session.facts.get("given")),
            t2_asked=not not_asked or bool(session.facts.get("given")),
            has_t2=t2 is not None,
            ncc=float(np.median(ncc)) if len(ncc) else math.nan,
            t2_missing=float(np.mean(~np.isfinite(t2.brain_ms))) if t2 and t2.mask.any() else math.nan,
            tissue_t2_ms=float(np.median([region.median_ms for region in tissue])) if tissue else math.nan,
            n_guessed_masks=sum(s not in ("given", "n/a", "") for s in session.stacks.get("mask_source", [])),
            audit_errors=audit.findings(found, "error", without=aside),
            audit_warnings=audit.findings(found, "warning", without=aside),
            under_determined=gap_warning(session.facts.get("under_determined")),
            cautions=(*budget_warnings(session), *listed(session.facts.get("notes")), *session.notes),
            errors=errors,
        )

    def _add_measured(self, not_asked: str) -> None:
        session = self._session
        placed = [(te, Placed(values=volume.values, affine=volume.affine)) for te, volume in self._echoes]
        pictures = stack_pictures(session, placed)
        quality_columns, quality_rows = audit.quality_table(audit.read(session, audit.QUALITY_TABLE))
        self._add(
            "inputs",
            "inputs.html",
            columns=STACK_COLUMNS,
            rows=stack_rows(session.stacks),
            aside=why_stacks_were_set_aside(session),
            audit=audit.audit_rows(audit.read(session, audit.AUDIT_TABLE)),
            quality_columns=quality_columns,
            quality_rows=quality_rows,
            sheets=drawings_slices.sheets(self._folder, pictures),
            convention=drawings_slices.CONVENTION,
        )
        motions = stack_motions(session)
        lead = why_slices_were_set_aside(session.slices) if motions else []
        self._add(
            "motion",
            "motion.html",
            sentences=lead if motions else [not_asked or "No slice table was written: motion was not estimated."],
            figures=drawings_slices.motion(self._folder, motions),
            inspector=drawings_slices.inspector(self._folder, motions, pictures),
            number=self._number,
        )
        self._result, raw, sharp = drawings_maps.reconstruction(self._folder, session, self._echoes, self._mask)
        figures = drawings_slices.agreement(self._folder, agreements(pictures))
        density = session.path("desc-density_T2w.nii.gz")
        if density and self._echoes:
            inside = drawings_maps.inside_of(self._echoes, self._mask)
            figures.append(drawings_maps.density(self._folder, read_volume(density), inside))
        self._add(
            "reconstruction",
            "reconstruction.html",
            sentences=[] if self._result else [not_asked or "Nothing was reconstructed; see Errors."],
            result=self._result,
            raw=raw,
            sharpness=sharp,
            figures=figures,
            under_determined=gap_sentences(session.facts.get("under_determined")),
        )

    def _add_maps(self, not_asked: str, maps: list[Shown]) -> None:
        figures, t2 = list(maps), self._t2
        tissue = tissue_regions(self._regions)
        if t2:
            figures += [
                *drawings_guided.guided(self._folder, self._session, self._high_ms),
                *drawings_maps.other_maps(self._folder, t2, self._high_ms),
                *drawings_maps.reasons(self._folder, self._session, t2),
                drawings_maps.spread(self._folder, t2, self._regions, self._high_ms),
                *drawings_maps.decays(self._folder, t2, self._echoes, self._high_ms),
                *drawings_maps.context(self._folder, tissue, gestational_age(self._session), self._field_t),
            ]
        otherwise = [not_asked or why_no_t2(self._counts, reconstructed=bool(self._echoes))]
        self._add(
            "t2",
            "figures.html",
            sentences=[] if figures else otherwise,
            figures=figures,
            literature=told() if t2 and tissue else [],
        )

    def _add_viewer(self, maps: list[Shown]) -> None:
        inside = drawings_maps.inside_of(self._echoes, self._mask)
        _, white = shared_window(np.stack([volume.values for _, volume in self._echoes]), inside)
        volumes = [
            dataclasses.asdict(volume) | {"bar": volume.bar}
            for volume in viewer_volumes(self._echoes, self._t2, self._high_ms, white)
        ]
        block = f"volumes-{self._number}"
        self._page.add_block(json_block(block, {"colours": viewer_colours(), "volumes": volumes}))
        still = (maps or self._result)[0]
        self._add("viewer", "viewer.html", block=block, volumes=volumes, still=still, note=VIEWER_NOTE)
