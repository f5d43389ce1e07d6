"""Run a workflow with Nipype: configuration, plugin, one line per stage, and its graphs."""

from __future__ import annotations

import logging
import multiprocessing
import resource
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nipype import config as nipype_config
from nipype.pipeline import engine as pe

from bids_app.limits import default_mem_mb
from bids_app.options import RunOptions
from bids_app.participant import session_wf_name
from bids_app.plugin_file import read_plugin
from bids_app.session import SessionInputs

LOG = logging.getLogger("fetalt2prep")


def configure(run: RunOptions, *, stop_on_first_crash: bool) -> None:
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
                # A batch system is asked by a command, and its shared disk may show a result late.
                "poll_sleep_duration": "2" if run.use_plugin else "0.1",
                "job_finished_timeout": "30",
                "remove_unnecessary_outputs": "false",
                "stop_on_first_crash": str(stop_on_first_crash).lower(),
            },
            "monitoring": {"enabled": str(run.resource_monitor).lower(), "summary_append": "true"},
        }
    )


def is_parallel(run: RunOptions, n_sessions: int) -> bool:
    """Whether all sessions are one workflow: on a cluster, or side by side on this machine."""
    return run.use_plugin is not None or (run.nprocs > 1 and n_sessions > 1 and not run.low_mem)


class StageLines:
    """Nipype's status callback: a line of the log when a step starts, and one with its seconds when it ends.

    A class, because Nipype pickles the callback together with the nodes.
    """

    def __init__(self, sessions: Sequence[SessionInputs]) -> None:
        self._labels = {session_wf_name(session): session.label for session in sessions}
        self._started: dict[str, float] = {}
        self.rows: list[dict[str, object]] = []
        """A row for each step that ended."""
        self.peak_gb: Mapping[str, float] | None = None
        """Peak memory of the processes that ran the steps; None: they run in this process."""

    def __call__(self, node: Any, status: str) -> None:
        """Take note of ``start``, ``end`` or ``exception`` of a node."""
        names = str(node.fullname).split(".")
        # Items of a MapNode have names that begin with an underscore: the step as a whole is enough.
        if names[-1].startswith("_"):
            return
        label = self._labels.get(names[1], names[1])
        where = label.replace("_ses-", " ses-")
        if status == "start":
            self._started[node.fullname] = time.monotonic()
            LOG.info("%s: %s ...", where, names[-1])
        elif node.fullname in self._started:
            seconds = time.monotonic() - self._started.pop(node.fullname)
            LOG.info("%s: %s %s after %.1f s", where, names[-1], "done" if status == "end" else "FAILED", seconds)
            if self.peak_gb is None:
                peak: float | None = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
            else:
                peak = self.peak_gb.get(node.fullname)
            self.rows.append(
                {
                    "session": label,
                    "step": ".".join(names[2:]),
                    "status": "done" if status == "end" else "failed",
                    "wall_seconds": round(seconds, 3),
                    "peak_memory_gb": None if peak is None else round(peak, 3),
                }
            )


def run_workflow(workflow: pe.Workflow, run: RunOptions, stages: StageLines, *, parallel: bool) -> str:
    """Run all nodes that can be run; returns an empty text, or what Nipype raised at the end.

    A node that fails takes along only the nodes that need it. Its traceback is in the crash file.
    """
    plugin: Any = "Linear"
    args: dict[str, Any] = {"status_callback": stages}
    if run.use_plugin:
        chosen = read_plugin(run.use_plugin)
        plugin, args = chosen.name, chosen.args | (args if chosen.waits else {})
        stages.peak_gb = {}
    elif parallel:
        from bids_app.pool import Pool

        if run.verbose < 2:
            multiprocessing.set_forkserver_preload(["bids_app.worker"])
        # One GPU slot: all sessions of a run use the same device, one after the other.
        args |= {"n_procs": run.nprocs, "n_gpu_procs": 1, "raise_insufficient": False, "mp_context": "forkserver"}
        plugin = Pool(args | {"memory_gb": (run.mem_mb or default_mem_mb()) / 1000})
        stages.peak_gb = plugin.peak_gb
    try:
        workflow.run(plugin=plugin, plugin_args=args)
    except Exception as error:
        LOG.debug("Nipype ended with an error.", exc_info=True)
        said = str(error).strip() or "no message"
        return f"{type(error).__name__}: {said.splitlines()[0]}"
    return ""


def write_graphs(workflow: pe.Workflow, sessions: Sequence[SessionInputs], log_dirs: Mapping[str, Path]) -> None:
    """Draw the workflow of each session into its participant's log folder, as DOT, and as SVG with Graphviz."""
    for session in sessions:
        folder = log_dirs[session.subject]
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"{session.label}_graph.dot"
        try:
            workflow.get_node(session_wf_name(session)).write_graph(
                dotfilename=str(target), graph2use="colored", format="svg", simple_form=True
            )
        except OSError:
            LOG.info("%s: Graphviz (dot) is not installed, so the graph is DOT text only: %s", session.label, target)
