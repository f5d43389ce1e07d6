"""Facts at the end of the page: the run and its software, time and memory of each stage, settings, options."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bids_app.report.derivatives import Session, Table
from bids_app.report.words import flatten

MACHINE = ("bids_dir", "output_dir", "run.work_dir", "about.command_line")
"""Options that name places on the machine of the run: left out of a page that is handed on."""


def about(
    out_dir: Path, run_uuid: str, options: dict[str, Any], sessions: Sequence[Session], stages: Table
) -> list[dict[str, object]]:
    """Groups of facts, each with a title and rows; ``open`` says whether they are unfolded at first."""
    run = {"run": run_uuid}
    description = out_dir / "dataset_description.json"
    if description.is_file():
        content = json.loads(description.read_text(encoding="utf-8"))
        for tool in content.get("GeneratedBy", []):
            run[str(tool.get("Name", "software"))] = str(tool.get("Version", "unknown version"))
    seeds = {str(s.facts["seed"]) for s in sessions if s.facts.get("seed") is not None}
    if seeds:
        run["random seed"] = ", ".join(sorted(seeds))
    groups: list[dict[str, object]] = [{"title": "Run", "rows": run, "open": True, "note": ""}]
    if stages:
        groups.append(
            {
                "title": "Time and memory of each stage",
                "rows": stage_rows(stages, many=len(sessions) > 1),
                "open": True,
                "note": "Memory is the peak of the process until the end of the stage, so it never falls.",
            }
        )
    for session in sessions:
        name = f", session {session.label}" if len(sessions) > 1 else ""
        if session.facts:
            rows = flatten({k: v for k, v in session.facts.items() if k != "notes"})
            groups.append(
                {
                    "title": f"Reconstruction{name}: settings, time, memory, versions",
                    "rows": rows,
                    "open": False,
                    "note": "",
                }
            )
    if options:
        rows = {name: value for name, value in flatten(options).items() if name not in MACHINE}
        groups.append({"title": "Options", "rows": rows, "open": False, "note": ""})
    return groups


def stage_rows(stages: Table, *, many: bool) -> dict[str, str]:
    """``recon: 49.2 s, 0.98 GB``, in the order of the run; with several sessions each name says whose step it was."""
    rows: dict[str, str] = {}
    columns = [stages.get(name, []) for name in ("session", "step", "status", "wall_seconds", "peak_memory_gb")]
    for session, step, status, seconds, memory in zip(*columns, strict=False):
        name = " ".join(step.removeprefix("fetal_t2_wf.").replace("_wf", "").split("."))
        told = f"{seconds} s, {memory} GB" + ("" if status == "done" else f", {status}")
        rows[f"{session}: {name}" if many else name] = told
    return rows
