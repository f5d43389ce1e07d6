"""Run a workflow with Nipype: configuration, plugin, one line per stage, and what its crash files say."""

from __future__ import annotations

import logging
import multiprocessing
import re
import time
from pathlib import Path
from typing import Any

from nipype import config as nipype_config
from nipype.pipeline import engine as pe

from bids_app.options import RunOptions

LOG = logging.getLogger("fetalt2prep")


def configure(*, stop_on_first_crash: bool) -> None:
    """Settings of Nipype for this process.

    With ``stop_on_first_crash`` nothing that waits is begun after a node failed, in no branch: neither the storing of
    what was computed already, unless it was under way.

    Files are compared by content: the inputs are small, and a data set that was copied or mounted anew keeps
    its cache, while a file that was replaced within the resolution of its time stamp does not.
    """
    nipype_config.update_config(
        {
            "execution": {
                "check_version": "false",
                "crashfile_format": "txt",
                "create_report": "false",
                "hash_method": "content",
                "poll_sleep_duration": "0.1",
                "remove_unnecessary_outputs": "false",
                "stop_on_first_crash": str(stop_on_first_crash).lower(),
            },
            "monitoring": {"enabled": "false"},
        }
    )


def run_workflow(workflow: pe.Workflow, run: RunOptions, *, parallel: bool) -> str:
    """Run all nodes that can be run; returns an empty text, or what Nipype raised at the end.

    A node that fails takes along only the nodes that need it. Its traceback is in the crash file.
    """
    args: dict[str, Any] = {"status_callback": StageLines()}
    if parallel:
        if run.verbose < 2:
            multiprocessing.set_forkserver_preload(["bids_app.worker"])
        args |= {"n_procs": run.nprocs, "raise_insufficient": False, "mp_context": "forkserver"}
        args |= {"memory_gb": run.mem_mb / 1000} if run.mem_mb else {}
    try:
        workflow.run(plugin="MultiProc" if parallel else "Linear", plugin_args=args)
    except Exception as error:
        LOG.debug("Nipype ended with an error.", exc_info=True)
        said = str(error).strip() or "no message"
        return f"{type(error).__name__}: {said.splitlines()[0]}"
    return ""


class StageLines:
    """Nipype's status callback: a line of the log when a step starts, and one with its seconds when it ends.

    A class, because Nipype pickles the callback together with the nodes.
    """

    def __init__(self) -> None:
        self._started: dict[str, float] = {}

    def __call__(self, node: Any, status: str) -> None:
        """Take note of ``start``, ``end`` or ``exception`` of a node."""
        names = str(node.fullname).split(".")
        # Items of a MapNode have names that begin with an underscore: the step as a whole is enough.
        if names[-1].startswith("_"):
            return
        where = names[1].removesuffix("_wf").replace("_ses_", " ses-").replace("sub_", "sub-")
        if status == "start":
            self._started[node.fullname] = time.monotonic()
            LOG.info("%s: %s ...", where, names[-1])
        elif node.fullname in self._started:
            seconds = time.monotonic() - self._started.pop(node.fullname)
            ended = "done" if status == "end" else "FAILED"
            LOG.info("%s: %s %s after %.1f s", where, names[-1], ended, seconds)


def read_crashes(log_dir: Path) -> list[str]:
    """One line per crash file of a participant in this run: the step, and the message of its error."""
    return [crash_message(path.read_text(errors="replace")) for path in sorted(log_dir.glob("crash-*.txt"))]


def crash_message(text: str) -> str:
    """``check: sub-01_T2w.nii.gz: no echo time ...`` from the text of a crash file, without its traceback."""
    step = re.search(r"^Node: (\S+)", text)
    # The last traceback is the innermost; its exception is the first line after it that is indented no more.
    before, traceback, after = text.rpartition("Traceback (most recent call last):")
    indent = before.rpartition("\n")[2]
    lines = after.splitlines()
    said = [n for n, line in enumerate(lines) if line.strip() and not line.startswith((indent + " ", indent + "\t"))]
    message = "the step ended without a message"
    if traceback and said:
        kind, _, rest = " ".join(" ".join(lines[said[0] :]).split()).partition(": ")
        # An input error is written for the user; any other needs its kind to be understood.
        message = rest if kind.endswith("InputError") else f"{kind.rpartition('.')[2]}: {rest}"
    return f"{step.group(1).rpartition('.')[2] if step else 'workflow'}: {message}"
