"""``python -m benchmarks.denoisers_page``: put the kept results of ``denoisers.py`` into docs/denoising.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.cases import HERE
from benchmarks.denoisers import RESULTS, TEN
from benchmarks.t2_page import fill, table
from fetalt2prep.core.denoise.options import DEFAULT_DENOISER, DENOISERS

PAGE = HERE.parent / "docs" / "denoising.md"
Row = Mapping[str, Any]


def _of(rows: Sequence[Row], bias: str) -> dict[str, dict[str, Row]]:
    """Rows of the ten cases by denoiser and case."""
    found: dict[str, dict[str, Row]] = {name: {} for name in DENOISERS}
    for row in rows:
        if row["case"] in TEN and row["bias"] == bias and row["stacks"] == 3:
            found[row["denoise"]][row["case"]] = row
    return {name: cases for name, cases in found.items() if cases}


def _t2(row: Row) -> float:
    """Mean of the errors of white and grey matter, ms."""
    return (float(row["wm"]) + float(row["gm"])) / 2


def ranked(rows: Sequence[Row]) -> str:
    """One line per denoiser: means over the cases, and paired differences from the default."""
    found = _of(rows, "n4")
    n_most = max((len(cases) for cases in found.values()), default=0)
    found = {name: cases for name, cases in found.items() if 2 * len(cases) > n_most}  # a few cases are no rank
    common = [case for case in TEN if all(case in cases for cases in found.values())]
    lines = []
    for name, cases in found.items():
        mine = [cases[case] for case in common]
        wm, gm, seconds = (float(np.mean([row[key] for row in mine])) for key in ("wm", "gm", "denoise_cpu_s"))
        off = [_t2(cases[case]) - _t2(found[DEFAULT_DENOISER][case]) for case in common]
        best = sum(min(found, key=lambda other: _t2(found[other][case])) == name for case in common)
        lines.append([
            f"`{name}`", f"{len(mine)}", f"{wm:.2f} / {gm:.2f}", f"{(wm + gm) / 2:.2f}",
            *(["", ""] if name == DEFAULT_DENOISER else _paired(off)), f"{best}",
            f"{np.mean([np.mean(row['ssim']) for row in mine]):.4f}", f"{seconds:.1f}",
        ])  # fmt: skip
    against = f"less `{DEFAULT_DENOISER}` (standard error)"
    head = ["`--denoise`", "cases", "T2 MAE WM / GM (ms)", "mean of both", against, "lower in",
            "best in", "SSIM", "CPU of the step (s)"]  # fmt: skip
    return table(head, lines)


def _paired(off: Sequence[float]) -> list[str]:
    """Mean difference with its standard error, and in how many cases it is below 0."""
    error = float(np.std(off, ddof=1)) / len(off) ** 0.5 if len(off) > 1 else float("nan")
    return [f"{np.mean(off):+.2f} ({error:.2f})", f"{sum(d < 0 for d in off)} of {len(off)}"]


def each(rows: Sequence[Row]) -> str:
    """One line per case, T2 errors of every denoiser."""
    found = _of(rows, "n4")
    lines = []
    for case, options in TEN.items():
        cells = [
            f"{cases[case]['wm']:.1f} / {cases[case]['gm']:.1f}" if case in cases else "" for cases in found.values()
        ]
        if any(cells):
            lines.append([f"{case}: {options.gestational_age_weeks:g} weeks, {options.motion}", *cells])
    return table(["case", *(f"`{name}`" for name in found)], lines)


def noisy(rows: Sequence[Row]) -> str:
    """The case with twice the noise."""
    lines = [
        [f"`{row['denoise']}`", f"{row['wm']:.1f} / {row['gm']:.1f}", f"{np.mean(row['ssim']):.4f}"]
        for row in rows
        if row["case"] == "fresh21-snr12" and row["bias"] == "n4" and row["stacks"] == 3
    ]
    return table(["`--denoise`", "T2 MAE WM / GM (ms)", "SSIM"], lines)


def main() -> None:
    """Rewrite the blocks of the page."""
    rows = json.loads(RESULTS.read_text("utf-8"))
    fill(PAGE, {make.__name__: make(rows) for make in (ranked, each, noisy)})


if __name__ == "__main__":
    main()
