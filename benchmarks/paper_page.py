"""The page of the documentation that holds the paper's tables beside ours, made from the kept results."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

from benchmarks.protocols import MODELS
from benchmarks.published import PUBLISHED, Cell
from benchmarks.statistics import LOWER_IS_BETTER, MEASURES, Result, best_and_p, by_subject, mean_sd, paired_p

PAGE = Path(__file__).parents[1] / "docs" / "paper_tables.md"
NAMES = {"sc": "SC", "mc": "MC", "mcreg": "MCReg", "decay": "decay"}
TITLES = {
    2: "Table 2: fetuses, 1.5 T, TE 220/500/690 ms, 4.5 mm slices, motion and voids",
    3: "Table 3: adults, 0.55 T, TE 114/202/299 ms, 4.5 mm slices, motion and voids",
}
DIFFER = (
    "**The data differ.** Published: FaBiAN fetuses (table 2) and ten volunteers with simulated motion (table 3). "
    "Here: this package's simulator, its own motion, voids and noise. What can be compared is the order of the models "
    "and the size of the errors, not the digits."
)
HEAD = """\
# The paper's tables

Tables 2 and 3 of [arXiv:2508.10680](https://arxiv.org/abs/2508.10680), run again on simulated subjects. SC: every
echo time by itself; MC: all echo times in one field; MCReg: MC with the decay penalty; decay: this package's default,
an exact decay at each point ([method](method.md)). Mean absolute T2 error in ms over all voxels of white matter and
cortical grey matter, and SSIM of each echo, after one rigid registration ([how](fetalt2.md)); mean ± standard
deviation over subjects. The reference T2 is, as in the paper, a log-linear fit of motion-free echoes: stimulated
echoes are in both, and count as no error. **Bold**: best of our rows with as many stacks per echo time; †: better than
the second best of them (paired t-test, p < 0.05, three subjects or more).

{differ}

This page is written by `python -m benchmarks.paper_tables` from `benchmarks/results/paper_tables.json`.
"""


def page_text(results: Sequence[Result]) -> str:
    """The whole page in Markdown."""
    return HEAD.format(differ=DIFFER) + "\n" + tables_text(results) + "\n"


def tables_text(results: Sequence[Result]) -> str:
    """Every table that has results, each size apart."""
    sizes = sorted({(r["table"], r["resolution_mm"], r["options"]["in_plane_mm"]) for r in results})
    parts = [_table(_of_size(results, *size), *size) for size in sizes]
    return "\n".join(parts) if parts else "No results yet.\n"


def _of_size(results: Sequence[Result], table: int, resolution_mm: float, in_plane_mm: float) -> list[Result]:
    size = (table, resolution_mm, in_plane_mm)
    return [r for r in results if (r["table"], r["resolution_mm"], r["options"]["in_plane_mm"]) == size]


def _table(results: Sequence[Result], table: int, resolution_mm: float, in_plane_mm: float) -> str:
    subjects = list(dict.fromkeys(str(r["subject"]) for r in results))
    paper = PUBLISHED[table]
    size = f"Pixels of {in_plane_mm:g} mm, output of {resolution_mm:g} mm"
    coarse = {2: 0.8, 3: 1.18}[table] < in_plane_mm
    said = "."
    if coarse:
        said = "; **coarser than the paper's, to be read for the order only: cortex is thinner than a voxel.**"
    count = "1 subject" if len(subjects) == 1 else f"{len(subjects)} subjects"
    lines = [f"## {TITLES[table]}", "", f"{size}; {count} ({', '.join(subjects)}){said}", ""]
    lines += [f"| stacks per TE | model | | {' | '.join(_head(results))} |", "|---|---|---" + 5 * "|---" + "|"]
    for stacks in sorted({r["stacks"] for r in results}, reverse=True):
        lines += [_published_row(stacks, model, cells) for (n, model), cells in paper.items() if n == stacks]
        lines += _our_rows(results, table, stacks)
    lines += ["", _tests(results, table), "", DIFFER, ""]
    lines += [f"- {r['subject']}, {r['stacks']} stacks per TE, {r['model']}: {r['note']}" for r in results if r["note"]]
    return "\n".join(lines)


def _head(results: Sequence[Result]) -> list[str]:
    te_ms = [f"{1000 * te:g}" for te in results[0]["options"]["te_s"]]
    return ["MAE WM", "MAE GM", *(f"SSIM {te}" for te in te_ms)]


def _published_row(stacks: int, model: str, cells: Sequence[Cell]) -> str:
    text = [_cell(name, *cell) for name, cell in zip(MEASURES, cells, strict=True)]
    return f"| {stacks} | {NAMES.get(model, model)} | published | {' | '.join(text)} |"


def _our_rows(results: Sequence[Result], table: int, stacks: int) -> list[str]:
    models = [m for m in MODELS if any((r["stacks"], r["model"]) == (stacks, m) for r in results)]
    cells: dict[str, list[str]] = {model: [] for model in models}
    for name in MEASURES:
        rows = {model: by_subject(results, table, stacks, model, name) for model in models}
        best, p = best_and_p(rows, LOWER_IS_BETTER[name])
        for model in models:
            text = _cell(name, *mean_sd(list(rows[model].values())))
            if model == best and len(models) > 1:
                text = f"**{text}**" + (" †" if p < 0.05 else "")
            cells[model].append(text)
    return [f"| {stacks} | {NAMES[model]} | ours | {' | '.join(cells[model])} |" for model in models]


def _tests(results: Sequence[Result], table: int) -> str:
    """The paired tests between neighbours in the order of the models, white and grey matter."""
    said = []
    for stacks in sorted({r["stacks"] for r in results}, reverse=True):
        for one, other in (("mc", "sc"), ("mcreg", "mc"), ("decay", "mcreg")):
            for name in ("MAE WM", "MAE GM"):
                p = paired_p(*(by_subject(results, table, stacks, model, name) for model in (one, other)))
                if math.isfinite(p):
                    said.append(f"{NAMES[one]} against {NAMES[other]}, {stacks} stacks, {name[4:]}: {p:.3f}")
    if not said:
        return "No paired test: fewer than three subjects."
    return f"p of paired t-tests on MAE: {'; '.join(said)}."


def _cell(name: str, mean: float, sd: float) -> str:
    digits = 1 if name.startswith("MAE") else 2
    if not math.isfinite(mean):
        return "failed"
    spread = f" ± {sd:.{digits}f}" if math.isfinite(sd) else ""
    return f"{mean:.{digits}f}{spread}"


if __name__ == "__main__":
    kept = Path(__file__).parent / "results" / "paper_tables.json"
    PAGE.write_text(page_text(json.loads(kept.read_text("utf-8"))), "utf-8")
