"""One row per session: quality, motion, T2, from the derivatives that the participant level left."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from bids_app.report.derivatives import Session, find_sessions, numbers
from bids_app.report.t2_volumes import brain_mask, read_t2
from bids_app.report.words import count, quartiles
from bids_app.session import SessionInputs
from bids_app.t2_context import gestational_age

COLUMNS: dict[str, tuple[str, str]] = {
    "participant_id": ("Participant", ""),
    "session_id": ("Session, n/a when the data set has none", ""),
    "gestational_age": ("Gestational age at the scan", "week"),
    "field_strength": ("Magnetic field strength", "T"),
    "n_echo_times": ("Distinct echo times of the stacks in use", ""),
    "n_stacks": ("Stacks found", ""),
    "n_stacks_used": ("Stacks that entered the reconstruction", ""),
    "n_slices": ("Slices that show brain", ""),
    "n_slices_used": ("Slices that the reconstruction used", ""),
    "slices_used": ("Share of the slices with brain that were used", ""),
    "slice_rotation": ("Median rotation of the slices in use from where their headers put them", "degree"),
    "slice_shift": ("Median displacement of the slices in use", "mm"),
    "slice_ncc": ("Median cross-correlation of measured and predicted slices in use", ""),
    "t2_median": ("Median T2 in the brain mask, fluid included", "s"),
    "t2_q25": ("25th percentile of T2 in the brain mask", "s"),
    "t2_q75": ("75th percentile of T2 in the brain mask", "s"),
    "t2_stderr_median": ("Median standard error of T2 in the brain mask", "s"),
    "t2_valid": ("Share of the brain mask that has a T2", ""),
    "brain_volume": ("Volume of the brain mask of the reconstruction", "mL"),
    "recon_model": ("Model of the reconstruction", ""),
    "recon_resolution": ("Voxel size of the reconstruction", "mm"),
    "recon_wall_seconds": ("Time of the reconstruction", "s"),
}
"""Column -> description and units."""
Row = dict[str, Any]


def session_row(session: Session, bids_dir: Path) -> Row:
    """Row of one session under ``COLUMNS``; None where something is not known."""
    counts = count(session.stacks, session.slices)
    mask = brain_mask(session)
    t2 = read_t2(session, mask)
    found = quartiles(t2.brain_ms) if t2 else None
    used = np.array(session.slices.get("status", []), dtype=np.str_) == "used"
    ncc = numbers(session.slices, "ncc")[used] if used.any() else np.array([])
    stderr = t2.stderr_ms[t2.mask] if t2 and t2.stderr_ms is not None else np.array([])
    values: Row = dict.fromkeys(COLUMNS)
    values |= {
        "participant_id": f"sub-{session.subject}",
        "session_id": f"ses-{session.label}" if session.label else None,
        "gestational_age": gestational_age(bids_dir, SessionInputs(subject=session.subject, session=session.label)),
        "field_strength": session.field_t(),
        "n_echo_times": len(counts.te_ms) or len(session.facts.get("te_s", [])),
        "n_stacks": counts.n_stacks,
        "n_stacks_used": counts.n_used_stacks,
        "n_slices": counts.n_slices,
        "n_slices_used": counts.n_used_slices,
        "slices_used": counts.n_used_slices / counts.n_slices if counts.n_slices else None,
        "slice_rotation": counts.rotation_deg,
        "slice_shift": counts.shift_mm,
        "slice_ncc": _median(ncc),
        "t2_stderr_median": _seconds(_median(stderr)),
        "recon_model": session.facts.get("model"),
        "recon_resolution": session.facts.get("resolution_mm"),
        "recon_wall_seconds": session.facts.get("cost", {}).get("wall_seconds"),
    }
    if found:
        values |= {name: _seconds(q) for name, q in zip(("t2_q25", "t2_median", "t2_q75"), found, strict=True)}
    if t2 and t2.mask.any():
        values["t2_valid"] = float(np.isfinite(t2.brain_ms).mean())
        values["brain_volume"] = float(t2.mask.sum() * math.prod(t2.spacing_mm) / 1000)
    return {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in values.items()}


def sessions_of(output_dir: Path, subjects: list[str], labels: tuple[str, ...]) -> list[Session]:
    """Sessions of the participants that hold results; no ``labels`` means all."""
    found = [session for subject in subjects for session in find_sessions(output_dir, subject)]
    return [session for session in found if not labels or session.label in labels]


def column_descriptions(columns: dict[str, tuple[str, str]]) -> str:
    """The JSON beside a table: what each column holds, and its units."""
    described = {
        name: {"Description": text, **({"Units": units} if units else {})} for name, (text, units) in columns.items()
    }
    return json.dumps(described, indent=2) + "\n"


def _median(values: Any) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else None


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
