"""Arguments -> options -> the level of analysis, or what is asked for instead of a run -> exit code."""

from __future__ import annotations

import errno
import shlex
import sys
import time
import uuid
from collections.abc import Sequence

from bids_app.checks import check_inputs, check_outputs
from bids_app.options import OptionError, Options
from bids_app.parser import parse_args


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
        return carry_out(options, run_uuid, shlex.join(["fetalt2prep", *argv]))
    except OptionError as error:
        sys.stderr.write(f"fetalt2prep: error: {error}\n")
        return 1
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.stderr.write(
            f"fetalt2prep: error: the disk of OUTPUT_DIR or of the work folder is full ({error.strerror}). Make room; "
            "the same command with the same --work-dir resumes.\n"
        )
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("fetalt2prep: interrupted; the same command with the same --work-dir resumes.\n")
        return 130


def carry_out(options: Options, run_uuid: str, command_line: str) -> int:
    """What the options ask for; returns the exit code."""
    check_inputs(options)
    if options.run.dry_run:
        from bids_app.plan import print_plan

        return print_plan(options)
    check_outputs(options)
    if options.run.boilerplate_only:
        from bids_app.citation import write_citation

        write_citation(options)
        return 0
    if options.analysis_level == "group":
        from bids_app.group.level import run_group

        return run_group(options, run_uuid)
    from bids_app.participant_level import rebuild_reports, run_participants

    if options.run.reports_only:
        return rebuild_reports(options, run_uuid)
    return run_participants(options, run_uuid, command_line)
