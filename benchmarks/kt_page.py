"""``python -m benchmarks.kt_page``: put the kept results of ``kt.py`` into docs/kt.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks import kt_between
from benchmarks.kt import ABLATIONS, HERE, METHODS, RESULTS, SIZES
from benchmarks.t2_page import fill, table
from fetalt2prep.sim.dynamic_scan import DynamicOptions

TR_S = DynamicOptions.tr_s
PAGE = HERE.parent / "docs" / "kt.md"


def mean_of(rows: Mapping[str, Any], size: str, spokes: int, method: str) -> dict[str, float] | None:
    """Mean over the seeds there are; None when there is none."""
    found = [row for key, row in rows.items() if _parts(key)[:2] == (size, spokes) and _parts(key)[3] == method]
    if not found:
        return None
    names = [name for name, value in found[0].items() if isinstance(value, int | float)]
    return {name: float(np.mean([row[name] for row in found])) for name in names} | {"n": len(found)}


def methods_table(rows: Mapping[str, Any]) -> str:
    """One line per size, acceleration and method."""
    lines = []
    for size in SIZES:
        for spokes in SIZES[size].spokes:
            found = {method: mean_of(rows, size, spokes, method) for method in METHODS}
            for method, row in found.items():
                if row is not None:
                    cells = [
                        SIZES[size].name,
                        f"{spokes} ({row['acceleration']:.1f}x)",
                        f"`{method}`",
                        f"{row['n']:.0f}",
                    ]
                    cells += [f"{row['psnr_db']:.2f}", f"{row['ssim']:.3f}", f"{row['profile_nrmse']:.3f}"]
                    lines.append([*cells, f"{row['cpu_s']:.0f}" if "cpu_s" in row else ""])
    head = ["pixels", "spokes per frame", "method", "seeds", "PSNR (dB)", "SSIM", "x-t profile error", "CPU seconds"]
    return table(head, lines)


def margins_table(rows: Mapping[str, Any]) -> str:
    """The field less the best classical method (highest PSNR) of each scan that both were run on."""
    lines = []
    for size in SIZES:
        for spokes in SIZES[size].spokes:
            scans: dict[str, dict[str, Any]] = {}
            for key, row in rows.items():
                if _parts(key)[:2] == (size, spokes) and _parts(key)[3] in METHODS:
                    scans.setdefault(_parts(key)[2], {})[_parts(key)[3]] = row
            gains = [_gain(found) for found in scans.values() if {"inr", "grasp"} <= set(found)]
            if gains:
                psnr, ssim, profile = np.transpose(gains)
                cells = [SIZES[size].name, f"{spokes}", f"{len(gains)}", f"{psnr.mean():+.2f}", f"{psnr.min():+.2f}"]
                lines.append([*cells, f"{ssim.mean():+.3f}", f"{profile.mean():+.4f}"])
    head = ["pixels", "spokes", "scans", "PSNR (dB)", "the least of them", "SSIM", "x-t profile error"]
    return table(head, lines)


def _gain(scan: Mapping[str, Any]) -> tuple[float, ...]:
    """PSNR, SSIM and profile error of the field less those of the classical method with the highest PSNR."""
    best = max((row for name, row in scan.items() if not name.startswith("inr")), key=lambda row: row["psnr_db"])
    return tuple(scan["inr"][name] - best[name] for name in ("psnr_db", "ssim", "profile_nrmse"))


def ablation_table(rows: Mapping[str, Any]) -> str:
    """What each part of the loss is worth, where it was measured."""
    lines = []
    for size in SIZES:
        for spokes in SIZES[size].spokes:
            for name in ABLATIONS:
                row = mean_of(rows, size, spokes, name)
                costs = [
                    value["psnr_db"] - rows[whole]["psnr_db"]
                    for key, value in rows.items()
                    if (*_parts(key)[:2], _parts(key)[3]) == (size, spokes, name)
                    and (whole := f"{key.rsplit('/', 1)[0]}/inr") in rows
                ]
                if row is not None and costs:  # against the same scans
                    cells = [SIZES[size].name, f"{spokes}", name, f"{row['psnr_db']:.2f}"]
                    lines.append([*cells, f"{np.mean(costs):+.2f}"])
    return table(["pixels", "spokes", "", "PSNR (dB)", "against the defaults (dB)"], lines)


def between_table(rows: Mapping[str, Any]) -> str:
    """Frames between the measured ones."""
    lines = []
    for size in SIZES:
        for spokes in SIZES[size].spokes:
            row = mean_of(rows, size, spokes, "inr")
            if row is not None:
                asked, linear = row["between_psnr_db"], row["between_linear_psnr_db"]
                cells = [SIZES[size].name, f"{spokes}", f"{asked:.2f}", f"{linear:.2f}", f"{asked - linear:+.2f}"]
                lines.append(cells)
    return table(["pixels", "spokes", "the field asked (dB)", "its frames interpolated (dB)", "difference"], lines)


def real_time_table(rows: Mapping[str, Any]) -> str:
    """Between the frames of scans whose every spoke has its own time: mean over the seeds that all of a row have."""
    wanted = [
        (f"{n} pixels", f"{spokes} spokes", method, f"{per_time}")
        for n in kt_between.SIZES
        for spokes, parts in kt_between.PARTS.items()
        for per_time in parts
        for method in kt_between.MAKERS
    ]
    lines = []
    for size, spokes, method, per_time in wanted:
        found = [
            row
            for key, row in rows.items()
            if (*key.split("/")[:2], *key.split("/")[3:]) == (size, spokes, method, per_time)
        ]
        if found:
            means = [np.mean([row[name] for row in found]) for name in ("frames_db", "linear_db", "asked_db")]
            n_spokes = int(spokes.split()[0])
            head = [size.split()[0], f"{n_spokes} ({1000 * n_spokes * TR_S:.0f} ms)", f"`{method}`", per_time]
            lines.append([*head, f"{len(found)}", *(f"{mean:.2f}" for mean in means)])
    columns = ["pixels", "spokes of a frame", "method", "spokes at one time", "seeds", "frames (dB)"]
    return table([*columns, "these interpolated (dB)", "asked between (dB)"], lines)


def _parts(key: str) -> tuple[str, int, str, str]:
    size, spokes, seed, method = key.split("/")
    return size, int(spokes.split()[0]), seed, method


def main() -> None:
    """Rewrite the blocks of the page."""
    rows = json.loads(RESULTS.read_text("utf-8"))
    makers = {"margins": margins_table, "methods": methods_table, "ablation": ablation_table, "between": between_table}
    makers_of_time = {"real-time": real_time_table(json.loads(kt_between.RESULTS.read_text("utf-8")))}
    fill(PAGE, {name: make(rows) for name, make in makers.items()} | makers_of_time)


if __name__ == "__main__":
    main()
