"""Simulated cine at several accelerations: the field against classical methods on the same operators.

``python -m benchmarks.kt`` runs the CPU size, ``--full`` the published one (208 pixels, 30 frames, 8, 13, 21, 34
spokes). Each row is kept as soon as it is there, so that a run that was stopped goes on where it was (``--anew`` starts
over). The weights of the classical methods are chosen with the truth, the best of a grid for each scan; the field has
its defaults. Coil maps are estimated from the undersampled data, for all methods the same.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fetalt2prep.core import metrics
from fetalt2prep.core.coils import Sense, espirit_maps
from fetalt2prep.core.fourier_op import Nufft
from fetalt2prep.core.kt.baselines import adjoint, cg_sense, low_rank_plus_sparse_iterates, temporal_tv_iterates
from fetalt2prep.core.kt.field import finer_in_time
from fetalt2prep.core.kt.options import KtOptions
from fetalt2prep.core.kt.series_fit import fit_series
from fetalt2prep.core.kt.static import static_coil_images
from fetalt2prep.core.kt.trajectory import radial_acceleration
from fetalt2prep.sim.dynamic_scan import DynamicOptions, DynamicScan, simulate_dynamic

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "kt.json"
FRAME_S = 0.04
Grid = Sequence[tuple[float, ...]]
GRIDS: dict[str, Grid] = {
    "cg-sense": [(0.001,), (0.003,), (0.01,), (0.03,)],
    "grasp": [(0.001,), (0.002,), (0.004,), (0.008,), (0.016,)],
    "l+s": [(rank, sparse) for rank in (0.02, 0.05, 0.15) for sparse in (0.0025, 0.005, 0.01, 0.02)],
}
NARROW: dict[str, Grid] = {  # around what was best at smaller sizes
    "cg-sense": [(0.003,)],
    "grasp": [(0.002,), (0.004,), (0.008,), (0.016,)],
    "l+s": [(0.05, 0.005), (0.15, 0.02)],
}
CG_STEPS = 50
LOOKS = (1, 2, 4, 6, 8, 10, 12, 15, 18, 21, 25, 30, 35, 40, 45, 50, 60, 80)  # steps after which an iterate is looked at
WORSE = 4  # looks, one after the other, that are worse than the best of a weight: it is not run on
ABLATIONS: dict[str, dict[str, Any]] = {
    "without low rank": {"low_rank": 0.0},
    "without even k-space": {"balanced": False},
    "without low rank and even k-space": {"low_rank": 0.0, "balanced": False},
    "without temporal variation": {"temporal_tv": 0.0},
    "without spatial variation": {"spatial_tv": 0.0},
    "relative data term": {"data_term": "relative"},
    "without coarse-to-fine": {"coarse_to_fine": 0.0},
    "without static start": {"from_static": False},
}


@dataclass(frozen=True)
class Size:
    """A size of the benchmark."""

    n: int
    n_frames: int
    n_coils: int
    spokes: tuple[int, ...]
    scene: str = "cine"
    grids: Mapping[str, Grid] = field(default_factory=lambda: GRIDS)

    @property
    def name(self) -> str:
        """As tables call it."""
        return f"{self.n}, {self.n_frames} frames" + ("" if self.scene == "cine" else f", {self.scene}")


SIZES = {
    "small": Size(48, 12, 6, (2, 3, 5, 8)),
    "fetal": Size(48, 12, 6, (5, 8), "fetal"),
    "cpu": Size(96, 20, 8, (4, 6, 10, 16)),
    "short": Size(208, 10, 4, (8, 13, 21, 34), grids=NARROW),
    "full": Size(208, 30, 8, (8, 13, 21, 34), grids=NARROW),
}


class Case:
    """One scan with its truth, at the frames and between them."""

    def __init__(self, size: Size, spokes: int, seed: int) -> None:
        options = DynamicOptions(
            scene=size.scene,
            n=size.n,
            n_frames=size.n_frames,
            n_coils=size.n_coils,
            readouts_per_frame=spokes,
            frame_s=FRAME_S,
        )
        self.size = size
        self.scan: DynamicScan = simulate_dynamic(options, seed)
        self.truth = self.scan.truth[0].abs().numpy()
        self.between = between_frames(self.scan)
        assert self.scan.k_per_pixel is not None
        fourier = Nufft(self.scan.k_per_pixel[0].reshape(size.n_frames, -1, 2), (size.n, size.n))
        self.samples = self.scan.samples[0].flatten(2)
        self.sense = Sense(fourier, espirit_maps(static_coil_images(fourier, self.samples)))
        self.scale = adjoint(self.sense, self.samples).abs().max()

    def psnr(self, series: torch.Tensor) -> float:
        """After one scale for the whole series."""
        found = series.abs().numpy()
        return metrics.psnr(self.truth, found * metrics.best_scale(self.truth, found))

    def scores(self, series: torch.Tensor) -> dict[str, float]:
        """After one scale for the whole series: PSNR, SSIM, and error of the column that moves most over time."""
        found = series.abs().numpy()
        found = found * metrics.best_scale(self.truth, found)
        peak = float(self.truth.max())
        column = int(self.truth.std(0).sum(0).argmax())
        pairs = zip(self.truth, found, strict=True)
        return {
            "psnr_db": round(metrics.psnr(self.truth, found), 2),
            "ssim": round(float(np.mean([metrics.ssim(a, b, data_range=peak) for a, b in pairs])), 4),
            "profile_nrmse": round(metrics.nrmse(self.truth[:, :, column], found[:, :, column]), 4),
        }


def between_frames(scan: DynamicScan) -> NDArray[np.float32]:
    """True magnitudes in the middle between frames, (frame - 1, y, x)."""
    middle = scan.times_s[0].mean(-1)
    found = [scan.scene.truth(0.0, float(time_s)).abs() for time_s in (middle[1:] + middle[:-1]) / 2]
    return np.asarray(torch.stack(found).numpy())


@dataclass(frozen=True)
class Look:
    """An iterate of a classical method, after so many steps and CPU seconds."""

    psnr_db: float
    series: torch.Tensor
    weights: tuple[float, ...]
    step: int
    cpu_s: float


def best_of(case: Case, method: str, make: Callable[..., Iterator[torch.Tensor]]) -> dict[str, Any]:
    """Scores of the weights and the number of steps with the highest PSNR, and the CPU seconds up to that step."""
    unit = case.samples / case.scale
    best = best_look(case.psnr, lambda *weights: make(case.sense, unit, *weights), case.size.grids[method])
    return case.scores(best.series) | {"weights": best.weights, "steps": best.step, "cpu_s": best.cpu_s}


def best_look(judge: Callable[[torch.Tensor], float], make: Callable[..., Iterator[torch.Tensor]], grid: Grid) -> Look:
    """The best of all weights. A grid of one weight is climbed from its middle until it goes down; else all is run."""

    def run(weights: tuple[float, ...]) -> Look:
        return best_step(judge, make(*weights), weights)

    if len(grid[0]) > 1:
        return max(map(run, grid), key=lambda look: look.psnr_db)
    middle = (len(grid) - 1) // 2
    best = run(grid[middle])
    for beyond in (grid[middle + 1 :], grid[:middle][::-1]):
        for weights in beyond:
            found = run(weights)
            if found.psnr_db < best.psnr_db:
                break
            best = found
        if best.weights != grid[middle]:
            break
    return best


def best_step(
    judge: Callable[[torch.Tensor], float], iterates: Iterator[torch.Tensor], weights: tuple[float, ...]
) -> Look:
    """The iterate that ``judge`` gives most dB among those looked at."""
    best: Look | None = None
    started, worse = time.process_time(), 0
    for step, series in enumerate(islice(iterates, LOOKS[-1]), 1):
        if step not in LOOKS:
            continue
        looked = time.process_time()
        psnr_db = judge(series)
        worse = 0 if best is None or psnr_db > best.psnr_db else worse + 1
        if worse == 0:
            best = Look(psnr_db, series, weights, step, round(looked - started, 1))
        if worse == WORSE:
            break
        started += time.process_time() - looked
    assert best is not None
    return best


def ridged(sense: Sense, samples: torch.Tensor, ridge: float) -> Iterator[torch.Tensor]:
    """CG-SENSE is looked at once, at the end."""
    yield cg_sense(sense, samples, ridge, CG_STEPS)


def field_row(case: Case, options: KtOptions) -> dict[str, Any]:
    """Scores of the field, its CPU seconds, and of what it says between frames."""
    started = time.process_time()
    result = fit_series(case.sense, case.samples, options)
    seconds = round(time.process_time() - started, 1)
    n_frames, n_y, n_x = result.frames.shape
    asked = result.query(finer_in_time((n_frames, n_y, n_x), 2))[1::2].abs().numpy()
    middle = ((result.frames[1:] + result.frames[:-1]) / 2).abs().numpy()
    scale = metrics.best_scale(case.truth, result.frames.abs().numpy())
    return case.scores(result.frames) | {
        "cpu_s": seconds,
        "between_psnr_db": round(metrics.psnr(case.between, scale * asked), 2),
        "between_linear_psnr_db": round(metrics.psnr(case.between, scale * middle), 2),
    }


METHODS: dict[str, Callable[[Case], dict[str, Any]]] = {
    "adjoint": lambda case: case.scores(adjoint(case.sense, case.samples)),
    "cg-sense": lambda case: best_of(case, "cg-sense", ridged) | {"steps": CG_STEPS},
    "grasp": lambda case: best_of(case, "grasp", temporal_tv_iterates),
    "l+s": lambda case: best_of(case, "l+s", low_rank_plus_sparse_iterates),
    "inr": lambda case: field_row(case, KtOptions()),
    "inr, hash": lambda case: field_row(case, KtOptions(field="hash")),
    "inr, siren": lambda case: field_row(case, KtOptions(field="siren")),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is not there yet, keep each row, print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=tuple(SIZES), default="cpu")
    parser.add_argument("--full", dest="size", action="store_const", const="full")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--spokes", type=int, nargs="+", help="(default: all of the size)")
    parser.add_argument("--methods", nargs="+", choices=(*METHODS, *ABLATIONS), help="(default: all)")
    parser.add_argument("--anew", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    size = SIZES[args.size]
    if args.anew:
        args.out.unlink(missing_ok=True)
    rows = kept(args.out)
    asked = dict(METHODS) | {name: _ablated(changes) for name, changes in ABLATIONS.items()}
    for seed in args.seeds:
        for spokes in args.spokes or size.spokes:
            todo = [m for m in args.methods or asked if _key(args.size, spokes, seed, m) not in rows]
            case = Case(size, spokes, seed) if todo else None
            for method in todo:
                assert case is not None
                row = asked[method](case) | {
                    "acceleration": round(radial_acceleration(size.n, spokes), 1),
                    "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
                }
                key = _key(args.size, spokes, seed, method)
                print(key, json.dumps(row), flush=True)
                rows = kept(args.out) | {key: row}  # what another process has written meanwhile stays
                args.out.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


def kept(path: Path) -> dict[str, Any]:
    """Rows of a file of results; none when there is no such file."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found


def _ablated(changes: dict[str, Any]) -> Callable[[Case], dict[str, Any]]:
    return lambda case: field_row(case, KtOptions(**changes))


def _key(size: str, spokes: int, seed: int, method: str) -> str:
    return f"{size}/{spokes} spokes/seed {seed}/{method}"


if __name__ == "__main__":
    main()
