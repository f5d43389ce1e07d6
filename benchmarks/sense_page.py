"""``python -m benchmarks.sense_page``: put the kept results of ``sense.py`` into docs/sense.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.sense import CASES, HERE, METHODS, RESULTS
from benchmarks.t2_page import fill, table

PAGE = HERE.parent / "docs" / "sense.md"


def mean_of(rows: Mapping[str, Any], method: str, name: str, case: str | None = None) -> float:
    """Mean of a number over seeds, and over the cases where none is named."""
    found = [scores[method][name] for key, scores in rows.items() if case is None or key.split("/")[0] == case]
    return float(np.mean(found))


def methods_table(rows: Mapping[str, Any]) -> str:
    """One line per method, PSNR of every case, and means."""
    cases = [case for case in CASES if any(key.split("/")[0] == case for key in rows)]
    lines = [
        [
            f"`{method}`",
            *(f"{mean_of(rows, method, 'psnr_db', case):.2f}" for case in cases),
            f"{mean_of(rows, method, 'psnr_db'):.2f}",
            f"{mean_of(rows, method, 'ssim'):.3f}",
        ]
        for method in METHODS
    ]
    return table(["method", *cases, "mean PSNR (dB)", "mean SSIM"], lines)


def main() -> None:
    """Rewrite the block of the page."""
    fill(PAGE, {"methods": methods_table(json.loads(RESULTS.read_text("utf-8")))})


if __name__ == "__main__":
    main()
