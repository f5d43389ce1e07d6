"""What became of each participant: what was stored, what was left out, what failed, and the exit code of it all."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bids_app.options import Options
from bids_app.session import SessionInputs
from bids_app.stored import is_new, not_stored, remove_left_over

LOG = logging.getLogger("fetalt2prep")
MESSAGES = "messages.txt"
"""In a participant's log folder: its errors and the stacks set aside, a line each, for ``--reports-only``."""


@dataclass(kw_only=True)
class Outcome:
    """What became of a participant."""

    subject: str
    log_dir: Path
    sessions: list[SessionInputs] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    """Why something could not be computed."""
    set_aside: list[str] = field(default_factory=list)
    """Stacks that could not be used, each with its reason."""
    report: Path | None = None


def ended_early(sessions: Iterable[SessionInputs], options: Options, started: float, trouble: str) -> list[str]:
    """An error for each session whose results are not all there, though none of its steps crashed."""
    why = f" ({trouble})" if trouble else ""
    return [
        f"{session.label}: the run ended before its {' and '.join(missing)} could be stored{why}. The same command "
        "resumes."
        for session in sessions
        if (missing := not_stored(session, options, started))
    ]


def clear_left_over(sessions: Iterable[SessionInputs], options: Options, started: float) -> None:
    """Say which files of an earlier run were removed because they do not belong to what was stored now."""
    for session in sessions:
        if removed := remove_left_over(session, options, started):
            names = ", ".join(path.name for path in removed)
            LOG.warning("%s: removed what an earlier run left and this one did not make: %s.", session.label, names)


def set_aside_by_workflow(outcome: Outcome, output_dir: Path, started: float) -> list[str]:
    """Stacks that the check of the pixels left out, from the tables written since ``started``."""
    from bids_app.outputs import read_stack_table

    left_out: list[str] = []
    known = {problem.name for session in outcome.sessions for problem in session.problems}
    for path in sorted((output_dir / f"sub-{outcome.subject}").rglob("*_desc-stacks_stats.tsv")):
        if not is_new(path, started):
            continue
        table = read_stack_table(path)
        for name, status, notes in zip(table["stack"], table["status"], table["notes"], strict=True):
            if status == "set-aside" and name not in known:
                left_out.append(notes if name in notes else f"{name}: {notes}")
    return left_out


def keep_messages(outcome: Outcome) -> list[str]:
    """What the report has to say of a participant's errors, kept in its log folder."""
    messages = [*outcome.errors, *outcome.set_aside]
    if messages:
        outcome.log_dir.mkdir(parents=True, exist_ok=True)
        (outcome.log_dir / MESSAGES).write_text("\n".join(messages) + "\n")
    return messages


def summarise(outcomes: Iterable[Outcome]) -> int:
    """Log what failed and what was left out; returns the exit code."""
    outcomes = list(outcomes)
    for outcome in outcomes:
        for message in outcome.set_aside:
            LOG.warning("sub-%s: stack not used: %s", outcome.subject, message)
        for message in outcome.errors:
            LOG.error("sub-%s FAILED: %s", outcome.subject, message)
    failed = [outcome.subject for outcome in outcomes if outcome.errors]
    n_aside = sum(len(outcome.set_aside) for outcome in outcomes)
    LOG.info(
        "%d of %d participants finished%s.",
        len(outcomes) - len(failed),
        len(outcomes),
        f", {n_aside} stack(s) not used" if n_aside else "",
    )
    return 1 if failed or n_aside else 0
