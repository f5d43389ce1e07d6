"""Tables of :mod:`benchmarks.models` for docs/engine.md: every run, and the models paired over cases."""

from __future__ import annotations

from statistics import mean
from typing import Any

from benchmarks import models
from benchmarks.t2_page import table

PAIRS = ((3, "mcreg", "mc"), (3, "mc", "sc"), (2, "mc", "sc"), (1, "mcreg", "mc"))
"""Stacks per echo time, and the two that the paper's orderings compare."""


def orderings(rows: Any) -> str:
    """The models side by side: a row per case, lattice and number of stacks, a column per model."""
    out = []
    for place in dict.fromkeys((row["case"], row["resolution_mm"], row["stacks"]) for row in rows):
        mine = {row["model"]: row for row in rows if (row["case"], row["resolution_mm"], row["stacks"]) == place}
        cells = [_scores(mine[name]) if name in mine else "-" for name in models.MODELS]
        out.append([*map(str, place), *cells])
    return table(["case", "lattice (mm)", "stacks per echo time", *(f"`{name}`" for name in models.MODELS)], out)


def paired(rows: Any) -> str:
    """Ratio of T2 errors and difference of SSIM, case by case, where both models were run on one lattice."""
    out = []
    for stacks, one, other in PAIRS:
        of = {(row["case"], row["resolution_mm"], row["model"]): row for row in rows if row["stacks"] == stacks}
        both = [(of[*at, one], of[*at, other]) for *at, model in of if model == one and (*at, other) in of]
        if not both:
            continue
        cells = []
        for tissue in ("wm", "gm"):
            ratios = [a[tissue] / b[tissue] for a, b in both]
            cells.append(f"{mean(ratios):.2f} ({max(ratios):.2f}), {sum(r < 1 for r in ratios)}")
        similar = mean(mean(a["ssim"]) - mean(b["ssim"]) for a, b in both)
        out.append([str(stacks), f"`{one}` over `{other}`", str(len(both)), *cells, f"{similar:+.3f}"])
    head = ["stacks per echo time", "models", "cases", "ratio of T2 errors WM (largest), cases below 1", "GM"]
    return table([*head, "difference of SSIM"], out)


def _scores(row: Any) -> str:
    return f"{row['wm']:.1f} / {row['gm']:.1f}, {mean(row['ssim']):.3f}"
