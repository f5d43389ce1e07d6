"""One dynamic scan from file to files: every slice reconstructed, series, stacks, account and page written."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fetalt2prep import __version__
from fetalt2prep.core.fit import Stop
from fetalt2prep.core.kt.frames import bin_for_fit, bin_frames
from fetalt2prep.core.kt.recon import KtPlan, KtSeries, reconstruct_series
from fetalt2prep.io.ismrmrd import RawSeries, read_ismrmrd
from fetalt2prep.io.kt_files import save_series, save_stacks, stack_affine
from fetalt2prep.io.kt_numpy import read_npz
from fetalt2prep.io.kt_report import write_report
from fetalt2prep.io.sidecar import InputError

OnStep = Callable[[str, int, float], None]
OnSlice = Callable[[str], None]
IN_WORDS = {
    "inr": "field of space and time, fitted to these data alone (inr)",
    "adjoint": "density-compensated adjoint",
    "cg-sense": "CG-SENSE, frame by frame",
    "grasp": "temporal total variation (grasp)",
    "l+s": "low rank plus sparse (l+s)",
}


@dataclass(frozen=True, kw_only=True)
class KtRequest:
    """Which frames and files are asked for."""

    n_frames: int | None = None
    """Frames of each slice; None: ``per_frame``, or as the scanner counted."""
    per_frame: int | None = None
    """Readouts of a frame."""
    fit_readouts: int | None = None
    """Readouts that share a time in the fit, fewer than a frame's; None: a frame is one time. Of the field alone."""
    slices: tuple[int, ...] | None = None
    """None: all."""
    phase: bool = False
    """Write the phase too."""
    stacks: bool = False
    """Write each frame as a stack with slice times."""
    device: str = "cpu"


@dataclass(frozen=True)
class KtOutputs:
    """Files written."""

    series: Path
    account: Path
    report: Path
    phase: Path | None
    stacks: tuple[Path, ...]
    notes: tuple[str, ...]
    """What a user should know: a single frame, readouts left over, a trajectory that was assumed."""


def read_raw(path: Path) -> RawSeries:
    """ISMRMRD (.h5, .mrd, .hdf5) or NumPy (.npz).

    Raises
    ------
    InputError
        Another ending, or a file that cannot be used.
    """
    if path.suffix == ".npz":
        return read_npz(path)
    if path.suffix in (".h5", ".hdf5", ".mrd"):
        return read_ismrmrd(path)
    raise InputError(f"{path.name}: raw data are ISMRMRD (.h5, .hdf5, .mrd) or NumPy (.npz) files.")


def reconstruct_scan(
    path: Path,
    out: Path,
    plan: KtPlan,
    request: KtRequest,
    *,
    on_slice: OnSlice | None = None,
    on_step: OnStep | None = None,
) -> KtOutputs:
    """Reconstruct a file into a folder.

    ``on_slice(text)`` is told once per slice, before its work begins, ``on_step(what, step, loss)`` how far it is.
    Slices are reconstructed one by one, with coil maps of their own. Raises ``InputError`` or ``ValueError`` with the
    file, the value and the way out.
    """
    raw = read_raw(path)
    numbers = raw.readouts.slices if request.slices is None else list(request.slices)
    try:
        affine = stack_affine(
            raw.affines, [s for s in numbers if s in raw.affines] or raw.readouts.slices, raw.thickness_mm
        )
        found = []
        began_s = time.monotonic()
        for n, s in enumerate(numbers):
            if on_slice is not None:
                so_far = f"; {time.monotonic() - began_s:.0f} s so far" if n else ""
                on_slice(f"slice {s} ({n + 1} of {len(numbers)}), {plan.method}{so_far}")
            found.append(_one_slice(raw, s, plan, request, on_step))
    except ValueError as error:
        raise InputError(f"{path.name}: {error}") from error
    shortest = min(len(series.frames) for series in found)
    series = np.stack([s.frames[:shortest].cpu().numpy() for s in found])  # (slice, frame, y, x)
    times_s = np.stack([s.times_s[:shortest].numpy() for s in found])
    frame_s = float(np.diff(times_s, axis=1).mean()) if shortest > 1 else 0.0
    nifti = series.transpose(3, 2, 0, 1)
    out.mkdir(parents=True, exist_ok=True)
    name = path.name.split(".")[0]
    written = save_series(nifti, affine, frame_s, out / f"{name}_series.nii.gz")
    phase = save_series(nifti, affine, frame_s, out / f"{name}_phase.nii.gz", phase=True) if request.phase else None
    meta: dict[str, object] = {"SliceThickness": raw.thickness_mm}
    if raw.te_s is not None:
        meta["EchoTime"] = raw.te_s
    stacks = save_stacks(nifti, affine, times_s, meta, out, name) if request.stacks else []
    account = out / f"{name}_series.json"
    notes = tuple(dict.fromkeys([*raw.notes, *(note for slice_series in found for note in slice_series.notes)]))
    content = _account(path, raw, plan, found, numbers, times_s) | {"Notes": notes} | meta
    content["ReadoutsPerTimeOfFit"] = request.fit_readouts
    account.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    middle = len(numbers) // 2
    facts = _facts(content, numbers[middle], frame_s)
    report = write_report(np.abs(series[middle]), frame_s, facts, out / f"{name}_series.html")
    return KtOutputs(written, account, report, phase, tuple(stacks), notes)


def _one_slice(raw: RawSeries, number: int, plan: KtPlan, request: KtRequest, on_step: OnStep | None) -> KtSeries:
    frames = bin_frames(raw.readouts, number, n_frames=request.n_frames, per_frame=request.per_frame)
    acceleration, notes, at_s = frames.acceleration, frames.notes, None
    if request.fit_readouts is not None:
        at_s, frames = frames.times_s, bin_for_fit(raw.readouts, number, request.fit_readouts)
        if len(frames.times_s) < len(at_s):
            raise ValueError(f"{request.fit_readouts} readouts would share a time in the fit: more than a frame has.")
    if request.device != "cpu":
        frames = frames.to(request.device)
    noise = None if raw.readouts.noise is None else raw.readouts.noise.to(request.device)
    look = None if on_step is None else lambda i, loss: on_step(f"slice {number}, {plan.method}", i, loss)
    with torch.inference_mode(plan.method != "inr"):
        series = reconstruct_series(frames, plan, noise=noise, at_s=at_s, on_step=look)
    return replace(series, acceleration=acceleration, notes=tuple(dict.fromkeys((*notes, *series.notes))))


def _facts(content: Mapping[str, object], shown: int, frame_s: float) -> dict[str, object]:
    """Of the account, what the page says, in words."""
    notes = content["Notes"]
    assert isinstance(notes, tuple)
    return {
        "Source": content["Source"],
        "Method": IN_WORDS[str(content["Method"])],
        "Frames": f"{content['Frames']}, one every {1000 * frame_s:.3g} ms" if frame_s > 0 else content["Frames"],
        "Acceleration": f"{content['Acceleration']} times",
        "Coils": content["Coils"],
        "Slice shown": shown if content["Slices"] != [shown] else "",
        "Notes": tuple(note for note in notes if note != Stop.MAX_STEPS.value),
    }


def _account(
    path: Path, raw: RawSeries, plan: KtPlan, found: list[KtSeries], numbers: list[int], times_s: NDArray[np.float64]
) -> dict[str, object]:
    return {
        "Source": path.name,
        "GeneratedBy": f"fetalt2prep {__version__}",
        "Method": plan.method,
        "Options": asdict(plan),
        "Frames": times_s.shape[1],
        "Slices": numbers,
        "FrameTimes": [[round(float(t), 6) for t in row] for row in times_s],
        "Acceleration": round(found[0].acceleration, 2),
        "Coils": len(found[0].maps),
        "CoilsMeasured": int(raw.readouts.samples.shape[1]),
        "Prewhitened": raw.readouts.noise is not None,
        "Losses": [series.losses for series in found],
    }
