"""The participant level: query, workflows, reports, and what became of each participant."""

from __future__ import annotations

import dataclasses
import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sequence

from bids_app.checks import choose_labels, resolve_device
from bids_app.config_file import write_toml
from bids_app.inputs import Inputs, choose_participants, find_inputs, nothing_found
from bids_app.messages import Message, keep_messages, read_messages
from bids_app.options import OptionError, Options
from bids_app.outcome import (
    Outcome,
    clear_left_over,
    crashed,
    ended_early,
    set_aside_by_workflow,
    summarise,
)
from bids_app.selection import unknown_choices
from fetalt2prep.io.sidecar import together

SESSIONS_PER_CORE = 8
"""Sessions in one workflow for each core: Nipype takes seconds to build a workflow of hundreds, and the page of a
participant is written when the workflow ends."""
LOG = logging.getLogger("fetalt2prep")


def run_participants(options: Options, run_uuid: str, command_line: str) -> int:
    """Query the data set, run each session's workflow, write the reports; returns the exit code."""
    from bids_app.citation import write_citation
    from bids_app.dataset import older_version, write_dataset
    from bids_app.log import run_log
    from bids_app.validation import Validation

    participants = choose_participants(options)
    options = dataclasses.replace(
        options, recon=dataclasses.replace(options.recon, device=resolve_device(options.recon.device))
    )
    outcomes = {p: Outcome(subject=p, log_dir=options.output_dir / f"sub-{p}" / "log" / run_uuid) for p in participants}
    logs = options.output_dir / "logs"
    with run_log(logs / f"run-{run_uuid}.log", options.run.verbose), Validation(options) as validation:
        LOG.info("fetalt2prep %s on %s", run_uuid, options.recon.device)
        if options.sloppy:
            LOG.warning("--sloppy: a coarse grid and no denoising. Not for results.")
        if version := older_version(options.output_dir):
            LOG.warning(
                "%s holds results of fetalt2prep %s; they are replaced one by one.",
                options.output_dir,
                version,
            )
        write_dataset(options)
        write_citation(options)
        for path in [
            logs / f"run-{run_uuid}.toml",
            *(o.log_dir / "fetalt2prep.toml" for o in outcomes.values()),
        ]:
            write_toml(options, path, run_uuid=run_uuid, command_line=command_line)
        take_note(outcomes, find_inputs(options, participants), options)
        run_sessions(outcomes, options, run_uuid)
        validation.report()
        return summarise(outcomes.values())


def take_note(outcomes: dict[str, Outcome], found: Inputs, options: Options) -> None:
    """Log what was found; what is missing or unusable becomes an error of its participant."""
    for subject, sessions in found.items():
        outcome = outcomes[subject]
        outcome.sessions = sessions
        if not sessions:
            outcome.errors.append(Message(text=nothing_found(subject, options)))
        for session in sessions:
            outcome.set_aside += [
                Message(session=session.session, set_aside=True, text=problem.message) for problem in session.problems
            ]
            for problem in session.problems:
                LOG.warning("Left out: %s", problem.message)
            if not session.usable:
                reasons = together([problem.message for problem in session.problems])
                text = f"{session.label}: no stack can be used. {reasons}"
                outcome.errors.append(Message(session=session.session, text=text))
                continue
            LOG.info("%s: %s\n%s", session.label, session.amount, session.table())
            for name in unknown_choices(session, options):
                LOG.warning("%s: --select names %s, which is no stack of it.", session.label, name)
            for note in [*session.notes, *(f"{s.name}: {s.note}" for s in session.stacks if s.note)]:
                LOG.info("%s: %s", session.label, note)


def run_sessions(outcomes: dict[str, Outcome], options: Options, run_uuid: str) -> None:
    """Run the workflows participant by participant, or side by side when there are cores for it."""
    from bids_app.execute import configure, is_parallel

    parallel = is_parallel(options.run, sum(s.usable for outcome in outcomes.values() for s in outcome.sessions))
    # One by one, a participant that fails still stores what it can; the loop below stops before the next.
    configure(options.run, stop_on_first_crash=options.run.stop_on_first_crash and parallel)
    size = 1
    if parallel:
        size = SESSIONS_PER_CORE * options.run.nprocs if options.run.use_plugin is None else sys.maxsize
    for group in batches(outcomes.values(), size):
        run_group_of_participants(group, options, parallel=parallel)
        for outcome in group:
            keep_messages(outcome.messages, outcome.log_dir)
            write_report(outcome, options, run_uuid, outcome.messages)
        if options.run.stop_on_first_crash and any(outcome.errors for outcome in group):
            mark_not_processed(outcomes.values())
            break


def batches(outcomes: Iterable[Outcome], n_sessions: int) -> Iterator[list[Outcome]]:
    """Participants in their order, in groups with ``n_sessions`` sessions or a few more; with 1 each by itself."""
    group: list[Outcome] = []
    for outcome in outcomes:
        group.append(outcome)
        n_there = sum(session.usable for each in group for session in each.sessions)
        if n_there >= n_sessions or n_sessions == 1:
            yield group
            group = []
    if group:
        yield group


def run_group_of_participants(group: Sequence[Outcome], options: Options, *, parallel: bool) -> None:
    """One workflow for the sessions of a group; what became of them goes into their outcomes."""
    from bids_app.execute import StageLines, run_workflow, write_graphs
    from bids_app.participant import init_participants_wf
    from bids_app.plugin_file import read_plugin
    from bids_app.provenance import write_input_hashes, write_stages
    from bids_app.work_folder import clean, held

    log_dirs = {outcome.subject: outcome.log_dir for outcome in group}
    started, trouble = time.time(), ""
    waits = options.run.use_plugin is None or read_plugin(options.run.use_plugin).waits
    with held([s for outcome in group for s in outcome.sessions if s.usable], options.run.work_dir) as (mine, taken):
        for outcome in group:
            own = [(session, text) for session, text in taken if session.subject == outcome.subject]
            outcome.errors += [Message(session=session.session, text=text) for session, text in own]
        if mine:
            if options.run.clean_workdir:
                clean(mine, options.run.work_dir)
            write_input_hashes(mine, log_dirs, options)
            workflow = init_participants_wf(mine, options, log_dirs)
            if options.run.write_graph:
                write_graphs(workflow, mine, log_dirs)
            stages = StageLines(mine)
            trouble = run_workflow(workflow, options.run, stages, parallel=parallel)
            write_stages(stages.rows, mine, log_dirs)
    for outcome in group:
        ran = [session for session in outcome.sessions if session in mine]
        outcome.errors += crashed(outcome) or (ended_early(ran, options, started, trouble) if waits else [])
        outcome.set_aside += set_aside_by_workflow(outcome, options.output_dir, started)
        clear_left_over(ran, options, started)
    if not waits and not trouble:
        LOG.info("The steps are in the queue. When they have ended, the same command with --reports-only reports.")
    if trouble and not any(outcome.errors for outcome in group):
        for outcome in group:
            outcome.errors.append(Message(text=f"the workflow ended early: {trouble}"))


def mark_not_processed(outcomes: Iterable[Outcome]) -> None:
    """Say of every participant without a report that the run stopped before its turn."""
    for outcome in outcomes:
        if outcome.report is None and not outcome.errors:
            outcome.errors.append(Message(text="not processed: the run stopped at the first crash, as asked."))


def write_report(outcome: Outcome, options: Options, run_uuid: str, messages: Sequence[Message]) -> None:
    """Build the participant's page; a failure is an error of the participant, not of the run."""
    from bids_app.report.build import build_report
    from bids_app.work_folder import alone

    try:
        with alone(options.output_dir / f"sub-{outcome.subject}" / "log"):
            outcome.report = build_report(
                options.output_dir,
                outcome.subject,
                run_uuid=run_uuid,
                errors=messages,
                single_file=options.run.single_file,
                viewer=not options.run.no_viewer,
            )
        LOG.info("sub-%s: report in %s", outcome.subject, outcome.report)
    except Exception as error:
        LOG.debug("sub-%s: the report failed.", outcome.subject, exc_info=True)
        outcome.errors.append(Message(text=f"report: {type(error).__name__}: {error}"))


def rebuild_reports(options: Options, run_uuid: str) -> int:
    """Write the reports again from the derivatives in the output folder; returns the exit code."""
    from bids_app.log import run_log
    from bids_app.query import list_labels

    known = list_labels(options.output_dir, "sub")
    participants = choose_labels(options.participants, known, "participant label", "sub")
    if not participants:
        raise OptionError(f"{options.output_dir} holds no sub-* folder, so there is nothing to report on.")
    outcomes = []
    with run_log(options.output_dir / "logs" / f"run-{run_uuid}.log", options.run.verbose):
        for subject in participants:
            log = options.output_dir / f"sub-{subject}" / "log"
            runs = sorted(path.name for path in log.glob("*") if path.is_dir())
            last = runs[-1] if runs else run_uuid
            outcome = Outcome(subject=subject, log_dir=log / last)
            write_report(outcome, options, last, read_messages(log / last))
            outcomes.append(outcome)
        return summarise(outcomes)
