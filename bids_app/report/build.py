"""Builds ``sub-X.html`` from the derivatives of a participant, for any outcome of the run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bids_app.report.derivatives import Session, find_sessions, read_crashes, read_options
from bids_app.report.drawings import Drawer
from bids_app.report.figures_t2 import t2_range_ms
from bids_app.report.methods import REFERENCES, methods
from bids_app.report.page import Page
from bids_app.report.regions import budget_warnings, regions_content
from bids_app.report.t2_volumes import brain_mask, read_t2
from bids_app.report.tables import STACK_COLUMNS, cards, stack_rows
from bids_app.report.words import (
    count,
    flatten,
    summary,
    warnings,
    what_was_not_asked,
    why_no_t2,
    why_slices_were_set_aside,
)


def build_report(out_dir: Path, subject: str, *, run_uuid: str, errors: Sequence[str] = ()) -> Path:
    """Write ``out_dir/sub-<subject>.html`` and its figures in ``out_dir/sub-<subject>/figures``.

    Reads the derivatives in ``out_dir`` and nothing else; returns the page. A participant without any
    derivative gets a page that says what failed. ``subject`` is with or without ``sub-``; ``errors`` are
    messages of the run, one string each; crash files and options are those of ``run_uuid`` in
    ``sub-<subject>/log/<run_uuid>``. Figures of an earlier page of the participant are removed first.
    """
    subject = subject.removeprefix("sub-")
    sessions = find_sessions(out_dir, subject)
    options = read_options(out_dir, subject, run_uuid)
    crashes = read_crashes(out_dir, subject, run_uuid)
    headline = _headline(len(errors) or len(crashes))
    _clear_figures(out_dir, subject)
    path = out_dir / f"sub-{subject}.html"
    with Page() as page:
        if headline or not sessions:
            page.add("alarm", "alarm.html", headline=headline, nothing=not sessions)
        texts = []
        for number, session in enumerate(sessions):
            heading = session.label if len(sessions) > 1 else None
            not_asked = what_was_not_asked(session.facts, options)
            _add_session(page.part_of(number, heading), Drawer(out_dir, session), session, not_asked)
            counts = count(session.stacks, session.slices)
            has_t2 = session.path("T2map.nii.gz") is not None
            texts.append({"session": heading, "text": methods(counts, session.facts, options, has_t2=has_t2)})
        page.add("methods", "methods.html", parts=texts, references=REFERENCES)
        page.add("errors", "errors.html", errors=list(errors), crashes=crashes, headline=headline)
        page.add("about", "about.html", groups=_about(out_dir, run_uuid, options, sessions))
        page.write(path, _title(subject, sessions))
    return path


def _headline(n_errors: int) -> str:
    if n_errors == 0:
        return ""
    return "One thing went wrong" if n_errors == 1 else f"{n_errors} things went wrong"


def _clear_figures(out_dir: Path, subject: str) -> None:
    for kind in ("png", "svg", "html"):
        for figure in (out_dir / f"sub-{subject}" / "figures").glob(f"sub-{subject}_*.{kind}"):
            figure.unlink()


def _title(subject: str, sessions: Sequence[Session]) -> str:
    only = sessions[0].label if len(sessions) == 1 else None
    return f"sub-{subject}" + (f", session {only}" if only else "")


def _add_session(add: Any, drawer: Drawer, session: Session, not_asked: str) -> None:
    """Draw and add the parts of one session; ``add`` is :meth:`Page.add` with the session filled in."""
    counts = count(session.stacks, session.slices)
    field_t, mask = session.field_t(), brain_mask(session)
    high_ms = t2_range_ms(field_t)
    recon, t2 = drawer.reconstruction(mask), read_t2(session, mask)
    brain = t2.brain_ms if t2 else None
    maps = [drawer.t2_map(t2, high_ms, field_t)] if t2 else []
    said = summary(counts, brain, reconstructed=bool(recon), not_asked=not_asked)
    stderr = t2.stderr_ms[t2.mask] if t2 and t2.stderr_ms is not None else None
    warned = [*warnings(session, counts, brain, high_ms, stderr), *budget_warnings(session)]
    short = replace(maps[0], caption="T2 map; how to read it is under T2 map.") if maps else None
    key_numbers = cards(counts, t2)
    add("summary", "summary.html", cards=key_numbers, sentences=said, warnings=warned, map=short)
    add("inputs", "inputs.html", columns=STACK_COLUMNS, rows=stack_rows(session.stacks))
    if t2:
        maps += [drawer.t2_spread(t2, high_ms), *drawer.t2_doubt(t2, high_ms)]
    add("regions", "regions.html", **regions_content(session, drawer.reasons(t2) if t2 else []))
    viewer = {"t2": drawer.viewer(high_ms)}
    lead = {"motion": why_slices_were_set_aside(session.slices)}
    for part, figures, otherwise in (
        ("masks", drawer.masks(), "No preprocessed stack with a mask was written."),
        ("reconstruction", recon, not_asked or "Nothing was reconstructed; see Errors."),
        ("t2", maps, not_asked or why_no_t2(counts, reconstructed=bool(recon))),
        ("motion", drawer.motion(), not_asked or "No slice table was written: motion was not estimated."),
    ):
        sentences = lead.get(part, []) if figures else [otherwise]
        add(part, "figures.html", figures=figures, sentences=sentences, viewer=viewer.get(part))


def _about(
    out_dir: Path, run_uuid: str, options: dict[str, Any], sessions: Sequence[Session]
) -> list[dict[str, object]]:
    """Groups of facts: the run, each session's reconstruction, the options."""
    run = {"run": run_uuid}
    description = out_dir / "dataset_description.json"
    if description.is_file():
        content = json.loads(description.read_text(encoding="utf-8"))
        for tool in content.get("GeneratedBy", []):
            run[str(tool.get("Name", "software"))] = str(tool.get("Version", "unknown version"))
    groups: list[dict[str, object]] = [{"title": "Run", "rows": run}]
    for session in sessions:
        name = f", session {session.label}" if len(sessions) > 1 else ""
        if session.facts:
            groups.append(
                {
                    "title": f"Reconstruction{name}: settings, time, memory",
                    "rows": flatten({k: v for k, v in session.facts.items() if k != "notes"}),
                }
            )
    if options:
        groups.append({"title": "Options", "rows": flatten(options)})
    return groups
