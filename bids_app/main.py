"""Arguments -> options -> query -> workflow -> reports -> exit code."""

from __future__ import annotations

import dataclasses
import logging
import shlex
import sys
import time
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path

from bids_app.checks import check_folders, choose_labels, resolve_device
from bids_app.config_file import write_toml
from bids_app.options import OptionError, Options
from bids_app.outcome import (
    MESSAGES,
    Outcome,
    clear_left_over,
    ended_early,
    keep_messages,
    set_aside_by_workflow,
    summarise,
)
from bids_app.parser import parse_args

LOG = logging.getLogger("fetalt2prep")


def cli() -> None:
    """Entry point of the command ``fetalt2prep``."""
    sys.exit(run(sys.argv[1:]))


def run(argv: Sequence[str]) -> int:
    """Carry out one command line; returns the exit code.

    0: every participant was processed from all of its stacks. 1: a participant failed, a stack could not be
    used, or the options were refused. 2: the command line is wrong.
    """
    try:
        options = parse_args(argv)
    except SystemExit as leave:
        return int(leave.code or 0)
    run_uuid = f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:12]}"
    try:
        check_folders(options)
        if options.run.reports_only:
            return rebuild_reports(options, run_uuid)
        return run_participants(options, run_uuid, shlex.join(["fetalt2prep", *argv]))
    except OptionError as error:
        sys.stderr.write(f"fetalt2prep: error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("fetalt2prep: interrupted; the same command with the same --work-dir resumes.\n")
        return 130


def run_participants(options: Options, run_uuid: str, command_line: str) -> int:
    """Query the data set, run each session's workflow, write the reports; returns the exit code."""
    from bids_app.citation import write_citation
    from bids_app.dataset import older_version, write_dataset
    from bids_app.log import run_log
    from bids_app.query import list_labels

    participants = choose_labels(options.participants, list_labels(options.bids_dir, "sub"), "participant label", "sub")
    if not participants:
        raise OptionError(f"{options.bids_dir} holds no sub-* folder; is it the root of the data set?")
    known = sorted({s for p in participants for s in list_labels(options.bids_dir / f"sub-{p}", "ses")})
    choose_labels(options.sessions, known, "session label", "ses")
    options = dataclasses.replace(
        options, recon=dataclasses.replace(options.recon, device=resolve_device(options.recon.device))
    )
    outcomes = {p: Outcome(subject=p, log_dir=options.output_dir / f"sub-{p}" / "log" / run_uuid) for p in participants}
    logs = options.output_dir / "logs"
    with run_log(logs / f"run-{run_uuid}.log", options.run.verbose):
        LOG.info("fetalt2prep %s on %s", run_uuid, options.recon.device)
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
        find_inputs(outcomes, options)
        run_sessions(outcomes, options, run_uuid)
        return summarise(outcomes.values())


def find_inputs(outcomes: dict[str, Outcome], options: Options) -> None:
    """Query all sessions; what is missing or unusable becomes an error of its participant."""
    from bids_app.query import query_sessions

    found = query_sessions(options.bids_dir, list(outcomes), options.sessions, options.masks)
    for subject, sessions in found.items():
        outcome = outcomes[subject]
        outcome.sessions = sessions
        if not sessions:
            outcome.errors.append(f"sub-{subject}: no stack with suffix T2w or MESE was found in {options.bids_dir}.")
        for session in sessions:
            outcome.set_aside += [problem.message for problem in session.problems]
            for problem in session.problems:
                LOG.warning("Left out: %s", problem.message)
            if not session.stacks:
                reasons = "; ".join(problem.message for problem in session.problems)
                outcome.errors.append(f"{session.label}: no stack can be used. {reasons}")
                continue
            LOG.info("%s: %d stacks\n%s", session.label, len(session.stacks), session.table())
            for note in [*session.notes, *(f"{s.name}: {s.note}" for s in session.stacks if s.note)]:
                LOG.info("%s: %s", session.label, note)


def run_sessions(outcomes: dict[str, Outcome], options: Options, run_uuid: str) -> None:
    """Run the workflows participant by participant, or side by side when there are cores for it."""
    from bids_app.execute import configure, read_crashes, run_workflow
    from bids_app.participant import init_participants_wf

    sessions = [s for outcome in outcomes.values() for s in outcome.sessions if s.stacks]
    parallel = options.run.nprocs > 1 and len(sessions) > 1
    # One by one, a participant that fails still stores what it can; the loop below stops before the next.
    configure(stop_on_first_crash=options.run.stop_on_first_crash and parallel)
    log_dirs = {subject: outcome.log_dir for subject, outcome in outcomes.items()}
    groups = [list(outcomes.values())] if parallel else [[outcome] for outcome in outcomes.values()]
    for group in groups:
        runnable = [s for outcome in group for s in outcome.sessions if s.stacks]
        started = time.time()
        trouble = ""
        if runnable:
            workflow = init_participants_wf(runnable, options, log_dirs)
            trouble = run_workflow(workflow, options.run, parallel=parallel)
        for outcome in group:
            outcome.errors += dict.fromkeys(read_crashes(outcome.log_dir)) or ended_early(
                outcome, options.output_dir, started, trouble
            )
            outcome.set_aside += set_aside_by_workflow(outcome, options.output_dir, started)
            clear_left_over(outcome, options.output_dir, started)
        if trouble and not any(outcome.errors for outcome in group):
            for outcome in group:
                outcome.errors.append(f"the workflow ended early: {trouble}")
        for outcome in group:
            write_report(outcome, options.output_dir, run_uuid, keep_messages(outcome))
        if options.run.stop_on_first_crash and any(outcome.errors for outcome in group):
            mark_not_processed(outcomes.values())
            break


def mark_not_processed(outcomes: Iterable[Outcome]) -> None:
    """Say of every participant without a report that the run stopped before its turn."""
    for outcome in outcomes:
        if outcome.report is None and not outcome.errors:
            outcome.errors.append("not processed: the run stopped at the first crash, as asked.")


def write_report(outcome: Outcome, output_dir: Path, run_uuid: str, messages: Sequence[str]) -> None:
    """Build the participant's page; a failure is an error of the participant, not of the run."""
    from bids_app.report.build import build_report

    try:
        outcome.report = build_report(output_dir, outcome.subject, run_uuid=run_uuid, errors=messages)
        LOG.info("sub-%s: report in %s", outcome.subject, outcome.report)
    except Exception as error:
        LOG.debug("sub-%s: the report failed.", outcome.subject, exc_info=True)
        outcome.errors.append(f"report: {type(error).__name__}: {error}")


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
            kept = log / last / MESSAGES
            said = kept.read_text().splitlines() if kept.is_file() else []
            outcome = Outcome(subject=subject, log_dir=log / last)
            write_report(outcome, options.output_dir, last, said)
            outcomes.append(outcome)
        return summarise(outcomes)
