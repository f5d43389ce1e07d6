"""``python -m benchmarks.guided_page``: put the results of ``guided.py`` into docs/guided_evaluation.md, guided.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.guided import FACTORS, HERE, RESULTS
from benchmarks.t2_page import fill, table

DOCS = HERE.parent / "docs"
PAGE, SHORT_PAGE = DOCS / "guided_evaluation.md", DOCS / "guided.md"
WORDS = {
    "zero-filled": "coarse maps, zero-filled (the published baseline)",
    "linear": "coarse maps, linear interpolation",
    "fit none": "fit, no guide",
    "fit t1w": "fit, T1w guide",
    "fit t2w": "fit, T2w guide",
    "fit both": "fit, both guides",
    "fit both, no anchor": "fit, both guides, no coarse maps",
    "network t1w": "network, T1w guide",
    "network t2w": "network, T2w guide",
    "network both": "network, both guides",
}
Means = dict[str, float]


def means(rows: Sequence[Mapping[str, Any]], factor: int, way: str) -> Means | None:
    """Mean of every number over the subjects of one way; None where there is none."""
    found = [row for row in rows if row["factor"] == factor and row["way"] == way]
    if not found:
        return None
    names = [name for name, value in found[0].items() if isinstance(value, int | float)]
    return {name: float(np.mean([row[name] for row in found])) for name in names} | {"n": len(found)}


def maps_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line per factor and way."""
    lines = []
    for factor in FACTORS:
        for way, words in WORDS.items():
            m = means(rows, factor, way)
            if m is None:
                continue
            pairs = [f"{m[f'hfen_{n}']:.3f} / {m[f'ssim_{n}']:.3f}" for n in ("pd", "t1", "t2", "t2_tissue")]
            errors = [f"{m[f'gm_{n}_ms']:.0f} / {m[f'wm_{n}_ms']:.0f}" for n in ("t1", "t2")]
            flair = f"{m['ssim_flair']:.3f}"
            lines.append([f"{factor}", words, f"{m['n']:.0f}", *pairs, *errors, flair, f"{m['cpu_s']:.1f}"])
    head = ["finer", "way", "heads", "PD", "T1", "T2", "T2 up to 300 ms", "T1 error GM / WM (ms)"]
    return table([*head, "T2 error GM / WM (ms)", "FLAIR SSIM", "CPU s"], lines)


def methods_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Fit and network beside each other, shortly."""
    lines = []
    for factor in FACTORS:
        for way in ("linear", "fit none", "fit both", "network both"):
            m = means(rows, factor, way)
            if m is not None:
                hfen = [f"{m[f'hfen_{n}']:.3f}" for n in ("t1", "t2")]
                errors = [f"{m[f'gm_{n}_ms']:.0f} / {m[f'wm_{n}_ms']:.0f}" for n in ("t1", "t2")]
                lines.append([f"{factor}", WORDS[way], *hfen, *errors, f"{m['cpu_s']:.1f}"])
    head = ["finer", "way", "T1 HFEN", "T2 HFEN", "T1 error GM / WM (ms)", "T2 error GM / WM (ms)", "CPU s"]
    return table(head, lines)


def aims_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """What was aimed at, what was published, what was found."""
    lines = []
    for factor in FACTORS:
        base, none, both = (means(rows, factor, way) for way in ("zero-filled", "fit none", "fit both"))
        one, two = means(rows, factor, "fit t1w"), means(rows, factor, "fit t2w")
        free = means(rows, factor, "fit both, no anchor")
        if base is None or none is None or both is None or one is None or two is None or free is None:
            continue
        orders = [[f"{m[key]:.4f}" for m in (both, one, two, none)] for key in ("hfen_t1", "hfen_t2")]
        falls = [100 * (1 - both["hfen_t1"] / m["hfen_t1"]) for m in (base, none)]
        lines += [
            [f"{factor}", "T1 HFEN: both, T1w, T2w, no guide", "in this order", "", ", ".join(orders[0])],
            [f"{factor}", "T2 HFEN: both, T1w, T2w, no guide", "both least, none most", "", ", ".join(orders[1])],
            [
                f"{factor}", "T1 HFEN falls by", "40 %", "45.4 %",
                f"{falls[0]:.0f} % (against no guide: {falls[1]:.0f} %)",
            ],
            [
                f"{factor}", "GM T1 error without the coarse maps", "+50 %", "63 to 110 ms",
                f"{both['gm_t1_ms']:.0f} to {free['gm_t1_ms']:.0f} ms",
            ],
            [
                f"{factor}", "SSIM of FLAIR, never a guide", "+0.05", "0.69 to 0.75",
                f"{base['ssim_flair']:.2f} to {both['ssim_flair']:.2f} (no guide: {none['ssim_flair']:.2f})",
            ],
        ]  # fmt: skip
    return table(["finer", "", "aim", "published", "found"], lines)


def time_table(times: Mapping[str, Any]) -> str:
    """Seconds and memory of a large grid."""
    if not times:
        return "Not measured yet."
    lines = []
    for name in ("fit both", "network both"):
        if name in times:
            cost = times[name]
            lines.append([WORDS[name], f"{cost['cpu_seconds']:.1f}", f"{cost['peak_memory_gb']:.1f}"])
    grid = " x ".join(str(n) for n in times["grid"])
    words = f"Grid {grid}, {times['threads']} thread, {times['n_steps']} steps in each of the fit's three stages."
    return words + "\n\n" + table(["way", "CPU seconds", "peak memory (GB)"], lines)


def main() -> None:
    """Rewrite the blocks of the page."""
    kept = json.loads(RESULTS.read_text("utf-8"))
    blocks = {"maps": maps_table(kept["rows"]), "aims": aims_table(kept["rows"]), "time": time_table(kept["time"])}
    fill(PAGE, blocks)
    fill(SHORT_PAGE, {"methods": methods_table(kept["rows"])})


if __name__ == "__main__":
    main()
