"""What became of each participant: what was stored, what was left out, what failed, and the exit code of it all."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bids_app.crashes import read_crashes, workflow_name
from bids_app.entities import read_entities
from bids_app.messages import Message
from bids_app.options import Options
from bids_app.session import SessionInputs
from bids_app.stored import is_new, not_stored, remove_left_over

LOG = logging.getLogger("fetalt2prep")


@dataclass(kw_only=True)
class Outcome:
    """What became of a participant."""

    subject: str
    log_dir: Path
    sessions: list[SessionInputs] = field(default_factory=list)
    errors: list[Message] = field(default_factory=list)
    """Why something could not be computed."""
    set_aside: list[Message] = field(default_factory=list)
    """Stacks that could not be used, each with its reason."""
    report: Path | None = None

    @property
    def messages(self) -> list[Message]:
        """What the report has to say besides results."""
        return [*self.errors, *self.set_aside]


def ended_early(sessions: Iterable[SessionInputs], options: Options, started: float, trouble: str) -> list[Message]:
    """An error for each session whose results are not all there, though none of its steps crashed."""
    why = f" ({trouble})" if trouble else ""
    return [
        Message(
            session=session.session,
            text=f"{session.label}: the run ended before its {' and '.join(missing)} could be stored{why}. The same"
            " command resumes.",
        )
        for session in sessions
        if (missing := not_stored(session, options, started))
    ]


def clear_left_over(sessions: Iterable[SessionInputs], options: Options, started: float) -> None:
    """Say which files of an earlier run were removed because they do not belong to what was stored now."""
    for session in sessions:
        if removed := remove_left_over(session, options, started):
            names = ", ".join(path.name for path in removed)
            LOG.warning("%s: removed what an earlier run left and this one did not make: %s.", session.label, names)


def crashed(outcome: Outcome) -> list[Message]:
    """What the crash files of the run say, each message once, with the sessions that they belong to."""
    session_of = {workflow_name(session.label): session.session for session in outcome.sessions}
    crashes = read_crashes(outcome.log_dir)
    said = [Message(session=session_of.get(crash.workflow or ""), text=crash.message) for crash in crashes]
    return list(dict.fromkeys(said))


def set_aside_by_workflow(outcome: Outcome, output_dir: Path, started: float) -> list[Message]:
    """Stacks that the check of the pixels left out, from the tables written since ``started``."""
    from bids_app.outputs import read_stack_table

    left_out: list[Message] = []
    known = {problem.name for session in outcome.sessions for problem in session.problems}
    for path in sorted((output_dir / f"sub-{outcome.subject}").rglob("*_desc-stacks_stats.tsv")):
        if not is_new(path, started):
            continue
        session = read_entities(path, output_dir).get("session")
        table = read_stack_table(path)
        for name, status, notes in zip(table["stack"], table["status"], table["notes"], strict=True):
            if status == "set-aside" and name not in known:
                text = notes if name in notes else f"{name}: {notes}"
                left_out.append(Message(session=session, set_aside=True, text=text))
    return left_out


def summarise(outcomes: Iterable[Outcome]) -> int:
    """Log what failed and what was left out; returns the exit code."""
    outcomes = list(outcomes)
    for outcome in outcomes:
        for message in outcome.set_aside:
            LOG.warning("sub-%s: stack not used: %s", outcome.subject, message.text)
        for message in outcome.errors:
            LOG.error("sub-%s FAILED: %s", outcome.subject, message.text)
    failed = [outcome.subject for outcome in outcomes if outcome.errors]
    n_aside = sum(len(outcome.set_aside) for outcome in outcomes)
    LOG.info(
        "%d of %d participants finished%s.",
        len(outcomes) - len(failed),
        len(outcomes),
        f", {n_aside} stack(s) not used" if n_aside else "",
    )
    return 1 if failed or n_aside else 0
