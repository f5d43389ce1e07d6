"""``python -m benchmarks.t2_page``: put the kept results of ``t2_estimators.py`` into docs/t2.md."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.t2_estimators import HERE, RESULTS

PAGE = HERE.parent / "docs" / "t2.md"
MODELS = ("loglinear", "weighted", "nlls", "rician")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def prediction(results: Any) -> str:
    """Error of predicted echoes of the real decay."""
    rows = []
    for row in results["prediction"]:
        for place, words in (("all", f"whole slice, {row['n_voxels']} voxels"), ("gland", "prostate")):
            cells = [f"{row[f'{place}_{m}_percent']:.1f} %" for m in (*MODELS, "epg-b1", "noise_alone")]
            rows.append([row["fitted"], words, *cells])
    return table(["fitted echoes", "where", *(f"`{m}`" for m in MODELS), "`epg-b1`", "noise alone"], rows)


def scipy(results: Any) -> str:
    """Agreement with scipy."""
    r = results["against_scipy"]
    return (
        f"Of {r['n_voxels']} voxels {100 * r['within_0.1_percent']:.2f} % agree within 0.1 % (median difference"
        f" {r['median_difference']:.0e}). In the other {r['n_that_differ']} the bounded fit leaves the smaller sum of"
        f" squares in {100 * r['ours_fits_better']:.0f} %. scipy took {r['scipy_cpu_s']:.2f} CPU seconds, `fit_nlls`"
        f" {r['ours_cpu_s']:.3f}: {r['times_as_fast']:.0f} times as fast, per voxel, on one thread."
    )


def noise_floor(results: Any) -> str:
    """Bias near the noise floor."""
    rows = []
    for row in results["noise_floor"]:
        cells = [f"{row[f'{m}_median']:+.1f} / {row[f'{m}_mean']:+.1f} %" for m in MODELS]
        cells[-1] += f" ({row['rician_valid_percent']:.0f} %)"
        rows.append([f"{row['t2_ms']:.0f}", f"{row['first_snr']:.1f}", f"{row['last_snr']:g}", *cells])
    return table(["T2 (ms)", "SNR, first echo", "SNR, last echo", *(f"`{m}`" for m in MODELS)], rows)


def stimulated(results: Any) -> str:
    """Bias by stimulated echoes."""
    rows = [
        [
            f"{row['refocusing_deg']:g}°",
            f"{row['b1']:g}",
            *(f"{row[f'{m}_percent']:+.1f} %" for m in ("mono", "epg", "epg_b1_unknown")),
        ]
        for row in results["stimulated"]
    ]
    return table(["refocusing", "B1", "one exponential", "`epg`, B1 known", "`epg`, B1 taken as 1"], rows)


def coverage(results: Any) -> str:
    """Coverage of the standard errors."""
    rows = [[f"{row['snr']:g}", *(f"{row[f'{m}_percent']:.1f} %" for m in MODELS)] for row in results["coverage"]]
    return table(["SNR, first echo", *(f"`{m}`" for m in MODELS)], rows)


def fluid(results: Any) -> str:
    """Area under the curve of the flag."""
    rows = [
        [
            row["protocol"],
            f"{row['snr']:g}",
            f"{row['auc_5_to_50']:.2f} ({row['auc_t2_5_to_50']:.2f})",
            f"{100 * row['sensitivity']:.0f} % / {100 * row['false_alarms']:.0f} %",
            f"{row['auc_exactly_5']:.2f} ({row['auc_t2_exactly_5']:.2f})",
        ]
        for row in results["fluid"]
    ]
    head = ["echo times", "SNR", "AUC, 5 to 50 %", "flagged: with fluid / without", "AUC, exactly 5 %"]
    return table(head, rows)


def speeds(results: Any) -> str:
    """Cost of a million voxels."""
    rows = [
        [f"`{name}`" if " " not in name else name, f"{s['cpu_s']:.2f}", f"{s['peak_mb']:.0f}"]
        for name, s in results["speeds"].items()
    ]
    return table(["estimator", "CPU seconds", "peak memory of the process (MB)"], rows)


def fill(page: Path, blocks: Mapping[str, str]) -> None:
    """Rewrite the blocks between the markers of a page, by name."""
    text = page.read_text("utf-8")
    for name, block in blocks.items():
        whole = f"<!-- {name}:begin -->\n{block}\n<!-- {name}:end -->"
        text = re.sub(rf"<!-- {name}:begin -->.*<!-- {name}:end -->", lambda _, new=whole: new, text, flags=re.DOTALL)
    page.write_text(text, "utf-8")


def main() -> None:
    """Rewrite the blocks of the page."""
    results = json.loads(RESULTS.read_text())
    makers = (prediction, scipy, noise_floor, stimulated, coverage, fluid, speeds)
    fill(PAGE, {make.__name__: make(results) for make in makers})


if __name__ == "__main__":
    main()
