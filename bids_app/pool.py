"""Nipype's processes on this machine, told when the system killed one of them."""

from __future__ import annotations

import multiprocessing
import resource
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any

from nipype.pipeline.plugins.multiproc import MultiProcPlugin, process_initializer, run_node

KILLED = (
    "a process was killed while it, or a step beside it, ran: most likely the system was out of memory. Give less to "
    "--mem-mb, or use --low-mem or --nprocs 1. The same command resumes."
)


def run_measured(node: Any, updatehash: bool, taskid: int) -> dict[str, Any]:
    """Run a node in a worker; Nipype's result, and the worker's peak memory so far, GB."""
    result: dict[str, Any] = run_node(node, updatehash, taskid)
    return {**result, "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9}


class Pool(MultiProcPlugin):
    """Nipype's MultiProc, which waits for ever for the result of a process that the system killed.

    Here the steps that ran then end with an error, and new processes take up the others.
    """

    def __init__(self, plugin_args: dict[str, Any]) -> None:
        super().__init__(plugin_args=plugin_args)
        self.pool: ProcessPoolExecutor
        self.peak_gb: dict[str, float] = {}
        """Name of a node -> peak memory of the process that ran it, GB."""

    def _submit_job(self, node: Any, updatehash: bool = False) -> int:
        self._taskid: int = self._taskid + 1
        try:
            future = self.pool.submit(run_measured, node, updatehash, self._taskid)
        except BrokenProcessPool:
            self.pool = ProcessPoolExecutor(
                max_workers=self.processors, initializer=process_initializer, initargs=(self._cwd,),
                mp_context=multiprocessing.get_context(self.plugin_args.get("mp_context")),
            )  # fmt: skip
            future = self.pool.submit(run_measured, node, updatehash, self._taskid)
        self._task_obj[self._taskid] = future
        future.add_done_callback(partial(self._ended, self._taskid, node.fullname))
        return self._taskid

    def _ended(self, taskid: int, name: str, future: Future[dict[str, Any]]) -> None:
        error = future.exception()
        if error is None:
            self._taskresult[taskid] = result = future.result()
            self.peak_gb[name] = result["peak_gb"]
            return
        said = f"MemoryError: {KILLED}" if isinstance(error, BrokenProcessPool) else f"{type(error).__name__}: {error}"
        lines = ["Traceback (most recent call last):\n", '  File "worker"\n', f"{said}\n"]
        self._taskresult[taskid] = {"result": None, "traceback": lines, "taskid": taskid}
