"""Builds ``sub-X.html`` from the derivatives of a participant, for any outcome of the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bids_app.crashes import Crash, read_crashes, workflow_name
from bids_app.messages import Message
from bids_app.methods.references import numbered
from bids_app.methods.text import paragraphs
from bids_app.report.about import about
from bids_app.report.derivatives import Session, find_sessions, read_options, read_stages
from bids_app.report.done import done
from bids_app.report.page import Page
from bids_app.report.session_page import SessionPage
from bids_app.report.verdict import BAD, Verdict
from bids_app.report.words import what_was_not_asked
from bids_app.whole_file import put

CRASH_LINES = 6
"""Last lines of a crash on the first screen."""


def build_report(
    out_dir: Path,
    subject: str,
    *,
    run_uuid: str,
    errors: Sequence[Message] = (),
    single_file: bool = False,
    viewer: bool = True,
) -> Path:
    """Write ``out_dir/sub-<subject>.html`` and its figures in ``out_dir/sub-<subject>/figures``.

    Reads the derivatives in ``out_dir`` and nothing else; returns the page. A participant without any
    derivative gets a page that says what failed. ``subject`` is with or without ``sub-``; ``errors`` are
    messages of the run; crash files and options are those of ``run_uuid`` in
    ``sub-<subject>/log/<run_uuid>``. Figures of an earlier page of the participant are removed first.
    ``single_file``: the page holds its pictures. ``viewer``: it holds the volumes and the viewer, too.
    """
    subject = subject.removeprefix("sub-")
    sessions = find_sessions(out_dir, subject)
    options = read_options(out_dir, subject, run_uuid)
    crashes = read_crashes(out_dir / f"sub-{subject}" / "log" / run_uuid)
    failed = list(errors) or _of_crashes(crashes, sessions)
    _clear_figures(out_dir, subject)
    path = out_dir / f"sub-{subject}.html"
    page = Page()
    if not sessions:
        nothing = "Nothing was made for this participant: no session gave a derivative."
        _add_failure(page, (nothing, *(message.text for message in failed)), _last_lines(crashes))
    texts = []
    for number, session in enumerate(sessions):
        heading = session.label if len(sessions) > 1 else None
        not_asked = what_was_not_asked(session.facts, options)
        drawn = SessionPage(
            page, out_dir, session, heading=heading, number=number, single_file=single_file, viewer=viewer
        )
        own = tuple(m.text for m in failed if m.concerns(session.label) and not m.set_aside)
        drawn.add(not_asked, own, _last_lines(crashes, workflow_name(session.name)))
        texts.append((heading, paragraphs(done(session, options))))
    said, references = numbered([paragraph for _, own in texts for paragraph in own])
    after = iter(said)
    parts = [{"session": heading, "text": [next(after) for _ in own]} for heading, own in texts]
    page.add("methods", "methods.html", parts=parts, references=references)
    told = {"errors": [message.text for message in errors], "crashes": {c.file: c.traceback for c in crashes}}
    page.add("errors", "errors.html", **told, headline=_headline(len(errors) or len(crashes)))
    stages = read_stages(out_dir, subject, run_uuid)
    page.add("about", "about.html", groups=about(out_dir, run_uuid, options, sessions, stages))
    put(page.html(_title(subject, sessions), "Fetal brain T2 mapping by fetalt2prep"), path)
    return path


def _of_crashes(crashes: Sequence[Crash], sessions: Sequence[Session]) -> list[Message]:
    """Messages of crashes; one of a session without derivatives is about none of the page."""
    label_of = {workflow_name(session.name): session.label for session in sessions}
    return [
        Message(session=label_of.get(crash.workflow or "", crash.workflow), text=crash.message) for crash in crashes
    ]


def _add_failure(page: Page, reasons: tuple[str, ...], crash: str) -> None:
    verdict = Verdict(level=BAD, reasons=tuple(dict.fromkeys(reasons)))
    content: dict[str, object] = {name: [] for name in ("cards", "sentences", "warnings")}
    page.add(
        "summary",
        "summary.html",
        session=None,
        verdict=verdict,
        crash=crash,
        errors=True,
        map=None,
        **content,
    )


def _last_lines(crashes: Sequence[Crash], workflow: str | None = None) -> str:
    """Of the first crash, or the first in the workflow of a session or in none.

    Nothing of an input error: its message is for the user, and stands among the reasons.
    """
    own = (c.traceback for c in crashes if c.traceback and (workflow is None or c.workflow in (None, workflow)))
    lines = next(own, "").splitlines()[-CRASH_LINES:]
    return "" if lines and "InputError: " in lines[-1] else "\n".join(lines)


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
