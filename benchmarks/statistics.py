"""Mean, standard deviation and paired tests over the subjects of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

Result = Mapping[str, Any]
MEASURES = ("MAE WM", "MAE GM", "SSIM 1", "SSIM 2", "SSIM 3")
LOWER_IS_BETTER = {"MAE WM": True, "MAE GM": True, "SSIM 1": False, "SSIM 2": False, "SSIM 3": False}


def measure(result: Result, name: str) -> float:
    """One number of a result: T2 error in ms, or SSIM of an echo; NaN where the reconstruction failed."""
    scores = result["scores"]
    if scores is None:
        return float("nan")
    kind, which = name.split()
    return float(scores[which]["mae"]) if kind == "MAE" else float(scores["ssim"][int(which) - 1])


def by_subject(results: Sequence[Result], table: int, stacks: int, model: str, name: str) -> dict[str, float]:
    """A measure of every subject for one row of a table."""
    rows = [r for r in results if (r["table"], r["stacks"], r["model"]) == (table, stacks, model)]
    return {str(row["subject"]): measure(row, name) for row in rows}


def mean_sd(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation (of a sample, n - 1); NaN with fewer than two values."""
    known = [value for value in values if np.isfinite(value)]
    mean = float(np.mean(known)) if known else float("nan")
    return mean, float(np.std(known, ddof=1)) if len(known) > 1 else float("nan")


def paired_p(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Two-sided p of Student's paired t-test over the subjects that both have; NaN with fewer than three."""
    shared = [name for name in one if np.isfinite(one[name]) and np.isfinite(other.get(name, np.nan))]
    if len(shared) < 3:
        return float("nan")
    first, second = (np.asarray([values[name] for name in shared]) for values in (one, other))
    if np.ptp(first - second) == 0:
        return float("nan")
    return float(stats.ttest_rel(first, second).pvalue)


def best_and_p(rows: Mapping[str, Mapping[str, float]], lower_is_better: bool) -> tuple[str, float]:
    """The best of several models by its mean, and p of the paired test against the second best."""
    means = {model: mean_sd(list(values.values()))[0] for model, values in rows.items()}
    ranked = sorted((m for m in means if np.isfinite(means[m])), key=lambda m: means[m], reverse=not lower_is_better)
    if not ranked:
        return "", float("nan")
    return ranked[0], paired_p(rows[ranked[0]], rows[ranked[1]]) if len(ranked) > 1 else float("nan")
