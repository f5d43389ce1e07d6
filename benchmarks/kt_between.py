"""Between the frames of a real-time scan: the field asked there, against linear interpolation of frames.

``python -m benchmarks.kt_between --pixels 96``. Every spoke sees the object at its own time (3.2 ms apart), so that a
frame of 34 spokes is blurred by 0.11 s of heartbeat. Judged against the true image in the middle between frames,
after one scale for the series: the frames of temporal total variation and of the field, interpolated linearly; the
field asked; and both at a finer frame rate (parts of frames), which is fair to the classical method too. The weight
and the number of steps of the classical method are the best of a grid for each row, chosen with the truth of what is
reported. Rows are kept as they come.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.kt import GRIDS, HERE, best_look, between_frames
from fetalt2prep.cli.simulate_kt import raw_of
from fetalt2prep.core import metrics
from fetalt2prep.core.coils import Sense, espirit_maps
from fetalt2prep.core.kt.baselines import adjoint, temporal_tv_iterates
from fetalt2prep.core.kt.field import axes_of
from fetalt2prep.core.kt.frames import bin_for_fit, bin_frames
from fetalt2prep.core.kt.recon import place_in_time
from fetalt2prep.core.kt.series_fit import fit_series
from fetalt2prep.core.kt.static import static_coil_images
from fetalt2prep.sim.dynamic_scan import DynamicOptions, simulate_dynamic

RESULTS = HERE / "results" / "kt_between.json"
N_FRAMES, N_COILS = 10, 6
SIZES = (48, 96)  # pixels
PARTS = {34: (34, 12), 13: (13, 7)}
Floats = NDArray[np.float32]


class Case:
    """One scan whose every spoke has its own time, and its truth at the frames and between them."""

    def __init__(self, n: int, spokes: int, seed: int) -> None:
        options = DynamicOptions(
            n=n,
            n_frames=N_FRAMES,
            n_coils=N_COILS,
            readouts_per_frame=spokes,
            frame_s=None,
            states_per_frame=spokes,
        )
        scan = simulate_dynamic(options, seed)
        self.readouts = raw_of(scan).readouts
        self.truth, self.between = scan.truth[0].abs().numpy(), between_frames(scan)
        frames = bin_frames(self.readouts, 0)
        self.maps = espirit_maps(static_coil_images(frames.fourier, frames.samples))
        self.at_s = frames.times_s
        self.middle_s = (frames.times_s[1:] + frames.times_s[:-1]) / 2

    def score(self, frames: Floats, middle: Floats) -> dict[str, float]:
        """PSNR of the frames, of their linear interpolation, and of what is said of the middle between them."""
        scale = metrics.best_scale(self.truth, frames)
        said: dict[str, NDArray[Any]] = {"linear_db": (frames[1:] + frames[:-1]) / 2, "asked_db": middle}
        found = {"frames_db": metrics.psnr(self.truth, scale * frames)}
        found |= {name: metrics.psnr(self.between, scale * image) for name, image in said.items()}
        return {name: round(value, 2) for name, value in found.items()}


def field_row(case: Case, per_time: int) -> dict[str, Any]:
    """The field with its defaults, ``per_time`` spokes at one time."""
    parts = bin_for_fit(case.readouts, 0, per_time)
    started = time.process_time()
    result = fit_series(Sense(parts.fourier, case.maps), parts.samples)
    seconds = round(time.process_time() - started, 1)
    _, y, x = axes_of((1, *case.maps.shape[1:]))
    frames, middle = (
        result.query((place_in_time(at, parts.times_s), y, x)).abs().numpy() for at in (case.at_s, case.middle_s)
    )
    return case.score(frames, middle) | {"cpu_s": seconds}


def classical_row(case: Case, per_time: int) -> dict[str, Any]:
    """Temporal total variation; what it says of a time lies on the line between the frames around."""
    parts = bin_for_fit(case.readouts, 0, per_time)
    sense = Sense(parts.fourier, case.maps)
    scale = adjoint(sense, parts.samples).abs().max()
    at = [place_in_time(when, parts.times_s) for when in (case.at_s, case.middle_s)]

    def score(series: torch.Tensor) -> dict[str, float]:
        frames, middle = (on_the_line(series, place).abs().numpy() for place in at)
        return case.score(frames, middle)

    unit = parts.samples / scale
    best = best_look(
        lambda series: score(series)["asked_db"],
        lambda weight: temporal_tv_iterates(sense, unit, weight),
        GRIDS["grasp"],
    )
    return score(best.series) | {"weight": best.weights[0], "steps": best.step}


def on_the_line(series: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """Linear interpolation of (frame, y, x) at places in units of frames."""
    low = at.floor().long().clamp(max=len(series) - 2)
    share = (at - low)[:, None, None]
    return (1 - share) * series[low] + share * series[low + 1]


MAKERS = {"inr": field_row, "grasp": classical_row}


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is not there yet, keep each row, print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pixels", type=int, choices=SIZES, default=SIZES[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--spokes", type=int, nargs="+", choices=tuple(PARTS), default=list(PARTS))
    parser.add_argument("--methods", nargs="+", choices=tuple(MAKERS), default=list(MAKERS))
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    rows: dict[str, Any] = json.loads(args.out.read_text()) if args.out.exists() else {}
    for seed in args.seeds:
        for spokes in args.spokes:
            names = {
                f"{args.pixels} pixels/{spokes} spokes/seed {seed}/{method}/{per_time}": (make, per_time)
                for per_time in PARTS[spokes]
                for method, make in MAKERS.items()
                if method in args.methods
            }
            todo = {key: work for key, work in names.items() if key not in rows}
            case = Case(args.pixels, spokes, seed) if todo else None
            for key, (make, per_time) in todo.items():
                assert case is not None
                rows[key] = make(case, per_time)
                print(key, json.dumps(rows[key]), flush=True)
                args.out.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
