"""``python -m benchmarks.guided_page``: put the results of ``guided*.py`` into docs/guided_evaluation.md, guided.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import guided_ablation, guided_fetal, guided_safety, guided_time
from benchmarks.guided import FACTORS, HERE, RESULTS
from benchmarks.t2_page import fill, table

DOCS = HERE.parent / "docs"
CASE_RESULTS = HERE / "results" / "cases.json"
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


def ablation_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line per factor and ablation network."""
    lines = []
    for factor in FACTORS:
        for name in guided_ablation.NETWORKS:
            m = means(rows, factor, name)
            if m is not None:
                hfen = [f"{m[f'hfen_{n}']:.3f}" for n in ("pd", "t1", "t2")]
                errors = [f"{m[f'gm_{n}_ms']:.0f} / {m[f'wm_{n}_ms']:.0f}" for n in ("t1", "t2")]
                lines.append([f"{factor}", f"`{name}`", f"{m['n']:.0f}", *hfen, *errors, f"{m['ssim_flair']:.3f}"])
    head = ["finer", "network", "heads", "PD HFEN", "T1 HFEN", "T2 HFEN", "T1 error GM / WM (ms)"]
    return table([*head, "T2 error GM / WM (ms)", "FLAIR SSIM"], lines)


def findings_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The published findings on the ablations, and ours."""
    lines = []
    for factor in FACTORS:
        m = {name: means(rows, factor, name) for name in guided_ablation.NETWORKS}
        one, two, both, free = m["M1++"], m["M2++"], m["M12++"], m["M12+-"]
        if one is None or two is None or both is None or free is None:
            continue
        t1, t2 = ([f"{way[key]:.3f}" for way in (one, two, both)] for key in ("hfen_t1", "hfen_t2"))
        gm = f"{both['gm_t1_ms']:.0f} to {free['gm_t1_ms']:.0f} ms"
        lines += [
            [f"{factor}", "a T1w guide helps mainly T1, both are best: T1 HFEN of T1w, T2w, both", "", ", ".join(t1)],
            [f"{factor}", "a T2w guide helps mainly T2, both are best: T2 HFEN of T1w, T2w, both", "", ", ".join(t2)],
            [f"{factor}", "without the anchor the T1 error in grey matter grows", "63 to 110 ms", gm],
        ]
    return table(["finer", "finding", "published", "found"], lines) if lines else "Not all of these are trained yet."


KINDS: dict[str, Callable[[str], bool]] = {
    "both guides, right": lambda wrong: wrong == "both, right",
    "both, gain x 0.5 or x 2": lambda wrong: "gain" in wrong,
    "one guide, off its place": lambda wrong: wrong.startswith(("t1w, off", "t2w, off")),
    "both, one of them off its place": lambda wrong: wrong.startswith(("both, t1w off", "both, t2w off")),
    "both off their place": lambda wrong: wrong.startswith("both, off"),
}


def safety_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Wrong guides by kind: T2 error over that without guides."""
    lines = []
    for method in ("fit", "network"):
        for factor in FACTORS:
            for words, of_kind in KINDS.items():
                some = [r for r in rows if (r["method"], r["factor"]) == (method, factor) and of_kind(r["guides"])]
                if not some:
                    continue
                ratios = np.array([[row["gm_ratio"], row["wm_ratio"]] for row in some])
                middle, worst = np.median(ratios, 0), ratios.max(0)
                used = np.mean([use != "none" for row in some for use in row["uses"]])
                cells = [f"{a:.2f} / {b:.2f}" for a, b in (middle, worst)]
                above = f"{(ratios > 1.05).any(1).sum()} of {len(some)}"
                lines.append([method, f"{factor}", words, *cells, above, f"{100 * used:.0f} %"])
    head = ["way", "finer", "guides", "median GM / WM", "worst GM / WM", "runs above 1.05", "guides used"]
    return table(head, lines)


FETAL_WORDS = {
    "joint": "three stacks at the first echo time, one at each other, all together",
    "joint, guided": "the same, guided by the volume of the three at the first",
    "joint, guided by edges": "the same, by the edges of the guide alone",
    "joint, prior alone": "the same fit without a guide",
    "axial": "one axial stack at each echo time",
    "axial, guided": "the same, guided by the volume of the three at the first",
}


def fetal_table(rows: Sequence[Mapping[str, Any]], names: Sequence[str] = ("ga24", "ga29")) -> str:
    """T2 errors of fewer stacks at the later echo times, with and without a guide, by case; what was run."""
    found = {(row["case"], row["what"]): row for row in rows}
    run = {what for _, what in found}

    def errors(row: Mapping[str, Any] | None) -> str:
        return "not run" if row is None else f"{row['WM']['mae']:.1f} / {row['GM']['mae']:.1f}"

    lines = [
        [words, *(errors(found.get((name, what))) for name in names)]
        for what, words in FETAL_WORDS.items()
        if what in run
    ]
    nine = {row["case"]: row["scores"] for row in kept_in(CASE_RESULTS, []) if row["planes"] == ["ax", "cor", "sag"]}
    lines.append(["nine stacks, three at each echo time (`benchmarks.cases`)", *(errors(nine.get(n)) for n in names)])
    return table(["stacks", *(f"{name} WM / GM (ms)" for name in names)], lines)


def kept_in(path: Path, otherwise: Any) -> Any:
    """Results of a benchmark, where it has been run."""
    return json.loads(path.read_text("utf-8")) if path.is_file() else otherwise


def time_table(times: Mapping[str, Mapping[str, Any]]) -> str:
    """Seconds and memory of a large grid; no wall time, since the machine may have had other work."""
    lines = [
        [
            f"{name}, {row['n_steps']} steps in each stage" if "n_steps" in row else name,
            f"{row['threads']}", f"{row['cpu_seconds']:.0f}", f"{row['peak_memory_gb']:.1f}",
        ]
        for name, row in times.items()
    ]  # fmt: skip
    return table(["way", "threads", "CPU seconds", "peak memory (GB)"], lines)


def main() -> None:
    """Rewrite the blocks of the page."""
    kept = json.loads(RESULTS.read_text("utf-8"))
    blocks = {"maps": maps_table(kept["rows"]), "aims": aims_table(kept["rows"])}
    blocks["time"] = time_table(kept_in(guided_time.RESULTS, {}))
    ablation = kept_in(guided_ablation.RESULTS, {"rows": []})["rows"]
    blocks |= {"ablation": ablation_table(ablation), "findings": findings_table(ablation)}
    blocks["safety"] = safety_table(kept_in(guided_safety.RESULTS, []))
    fill(PAGE, blocks)
    fill(SHORT_PAGE, {"methods": methods_table(kept["rows"]), "fetal": fetal_table(kept_in(guided_fetal.RESULTS, []))})


if __name__ == "__main__":
    main()
