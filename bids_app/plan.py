"""What a run would do, without doing it: sessions, stacks, echo times, and about how much memory and time."""

from __future__ import annotations

import sys

from bids_app.checks import resolve_device
from bids_app.estimate import Estimate, estimate
from bids_app.execute import is_parallel
from bids_app.inputs import choose_participants, find_inputs, nothing_found
from bids_app.limits import default_mem_mb
from bids_app.options import Options
from bids_app.plugin_file import read_plugin
from bids_app.stored import to_be_stored


def print_plan(options: Options) -> int:
    """Write the plan to standard output; returns 0, or 1 when something cannot be used."""
    participants = choose_participants(options)
    found = find_inputs(options, participants)
    sessions = [session for own in found.values() for session in own]
    usable = [session for session in sessions if session.usable]
    lines = [f"{len(participants)} participant(s), {len(usable)} session(s) to process", *_how(options, len(usable))]
    trouble = [nothing_found(subject, options) for subject, own in found.items() if not own]
    total_s, peak_gb = 0.0, 0.0
    for session in sessions:
        trouble += [problem.message for problem in session.problems]
        if not session.usable:
            continue
        times = ", ".join(f"{1000 * te:g}" for te in session.echo_times_s)
        cost = estimate(session, options)
        total_s, peak_gb = total_s + cost.cpu_s, max(peak_gb, cost.mem_gb)
        lines += ["", f"{session.label}: {session.amount}, echo times {times} ms", session.table(), *session.notes]
        lines.append(f"gives: {', '.join(to_be_stored(session, options))}; about {_cost(cost, options)}")
    if usable:
        both = Estimate(cpu_s=total_s, mem_gb=peak_gb)
        lines += ["", f"In all about {_cost(both, options)} for the largest session, on a CPU."]
    lines += ["", *(f"Left out: {message}" for message in trouble)] if trouble else []
    sys.stdout.write("\n".join([*lines, "Nothing was written: this was a dry run."]) + "\n")
    return 1 if trouble else 0


def _how(options: Options, n_sessions: int) -> list[str]:
    run = options.run
    if run.use_plugin:
        where = f"steps go to {read_plugin(run.use_plugin).name}"
    elif is_parallel(run, n_sessions):
        where = f"sessions side by side on {run.nprocs} cores"
    else:
        where = f"one session after the other, {run.omp_nthreads} thread(s)"
    return [
        f"output in {options.output_dir}, intermediate results in {run.work_dir}",
        f"{where}, {run.mem_mb or default_mem_mb()} MB, device {resolve_device(options.recon.device)}",
        f"model {options.recon.model}, field {options.recon.field}, {options.recon.resolution_mm:g} mm, "
        f"denoising {options.denoise}, bias {options.bias}, last step {options.steps}, level {options.level}",
    ]


def _cost(cost: Estimate, options: Options) -> str:
    minutes = cost.cpu_s / 60
    if options.recon.field != "grid":
        return f"{cost.mem_gb:.1f} GB; the time of field {options.recon.field} was not measured"
    return (
        f"{minutes:.0f} CPU minute(s) and {cost.mem_gb:.1f} GB"
        if minutes >= 1
        else (f"{cost.cpu_s:.0f} CPU seconds and {cost.mem_gb:.1f} GB")
    )
