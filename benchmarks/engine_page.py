"""``python -m benchmarks.engine_page``: put the kept results of the engine's own benchmarks into docs/engine.md."""

from __future__ import annotations

import json
from statistics import mean
from typing import Any

from benchmarks import ablation, blurred_truth, left_out, limits, models, models_page, scaling, severe, wrong_physics
from benchmarks.cases import HERE
from benchmarks.t2_page import fill, table

PAGE = HERE.parent / "docs" / "engine.md"
MISFIT = (("mean", "+.2f"), ("rms", ".1f"), ("departure", ".2f"))
LEFT_OUT_ROWS = ("the engine", "`sc` without motion", "linear interpolation of the other stacks")


def accuracy(head: str, results: Any, names: list[str]) -> str:
    """One row per run of :func:`benchmarks.fresh.run`, in the order of ``names``."""
    rows = []
    for name in (name for name in names if name in results):
        r = results[name]
        error = "-" if r["slice_error_mm"] is None else f"{r['slice_error_mm']:.2f}"
        ssim = " / ".join(f"{value:.3f}" for value in r["ssim"])
        rows.append([name, f"{r['wm']:.1f} / {r['gm']:.1f}", ssim, error, f"{r['cpu_s']:.0f}"])
    return table([head, "T2 MAE WM / GM (ms)", "SSIM per TE", "slice error (mm)", "CPU (s)"], rows)


def paired(rows: Any) -> str:
    """Estimated beside true poses, a row per case."""
    out = []
    for one in (row for row in rows if row["poses"] == "estimated" and row["model"] == "decay" and row["stacks"] == 3):
        same = ("case", "model", "stacks")
        known = next(r for r in rows if r["poses"] == "true" and all(r[name] == one[name] for name in same))
        errors = [f"{r['wm']:.1f} / {r['gm']:.1f}" for r in (one, known)]
        out.append([str(one["case"]), one["motion"], *errors, f"{one['slice_error_mm']:.2f}"])
    head = ["case", "motion", "T2 MAE WM / GM (ms), poses estimated", "with the true poses", "slice error (mm)"]
    return table(head, out)


def recorded(rows: Any) -> str:
    """Sessions with recorded motion, a row per way."""
    out = []
    for row in rows:
        ssim = " / ".join(f"{value:.3f}" for value in row["ssim"])
        errors = [f"{row['wm']:.1f} / {row['gm']:.1f}", ssim, f"{row['slice_error_mm']:.2f}", f"{row['cpu_s']:.0f}"]
        out.append([row["session"], row["way"], *errors])
    return table(["session", "", "T2 MAE WM / GM (ms)", "SSIM per TE", "slice error (mm)", "CPU (s)"], out)


def blur(rows: Any) -> str:
    """T2 errors of the blurred truth and mean SSIM, a row per width, a column per case."""
    names = list(dict.fromkeys(row["case"] for row in rows))
    of = {(row["case"], row["fwhm_mm"]): row for row in rows}
    out = []
    for fwhm_mm in blurred_truth.FWHM_MM:
        found = [of[name, fwhm_mm] for name in names]
        out.append([f"{fwhm_mm}", *(f"{r['wm']:.1f} / {r['gm']:.1f}, {mean(r['ssim']):.3f}" for r in found)])
    return table(["width (mm)", *names], out)


def wrong(rows: Any) -> str:
    """Errors and misfit where the signal is no single exponential."""
    out = []
    for row in sorted(rows, key=lambda row: list(wrong_physics.CASES).index(row["case"])):
        misfit = row["misfit"]
        columns = [[f"{one[f'{name}_percent']:{form}}" for one in misfit] for name, form in MISFIT]
        ssim = " / ".join(f"{value:.3f}" for value in row["ssim"])
        errors = [f"{row['wm']:.1f} / {row['gm']:.1f}", ssim]
        out.append([row["case"], f"`{row['model']}`", *errors, *(" / ".join(column) for column in columns)])
    head = ["signal", "model", "T2 MAE WM / GM (ms)", "SSIM per TE"]
    return table([*head, "mean residual per TE (%)", "RMS residual (%)", "departure of the field (%)"], out)


def growth(results: Any) -> str:
    """Processor seconds by pixels and by echo times, with their ratios."""
    rows = []
    for r in sorted(results, key=lambda r: (r["n_echoes"] != 3, r["n_echoes"], r["factor"])):
        size = [f"{r['factor']}x", str(r["n_echoes"]), f"{r['n_pixels']:,}", f"{r['n_lattice_points']:,}"]
        fewer = [o for o in results if o["factor"] == r["factor"] and o["n_echoes"] == r["n_echoes"] - 1]
        added = f"{r['cpu_s'] / fewer[0]['cpu_s']:.2f}" if fewer else "-"
        rows.append([*size, f"{r['cpu_s']:.1f}", f"{1e3 * r['cpu_s'] / r['n_pixels']:.2f}", added])
    head = ["pixels per slice", "echo times", "pixels", "lattice points", "CPU (s)", "CPU (ms) per pixel"]
    return table([*head, "times the time with one echo time fewer"], rows)


def stages(results: Any) -> str:
    """Processor seconds by stage of every run."""
    names = list(results[0]["stages"])
    rows = [
        [f"{r['factor']}x, {r['n_echoes']} echo times", *(f"{r['stages'][name]:.1f}" for name in names)]
        for r in results
    ]
    return table(["CPU (s)", *names], rows)


def prediction(results: Any) -> str:
    """PSNR and NCC of left-out slices."""
    rows = [[name, f"{results[name]['psnr_db']:.2f}", f"{results[name]['ncc']:.3f}"] for name in LEFT_OUT_ROWS]
    said = (
        f"Mean over {results['slices']} left-out slices with at least {left_out.LEAST_PIXELS} pixels inside the mask;"
        f" {results['pixels']:,} pixels, {results['pixels_outside_other_stacks']:,} more lie outside the other stacks"
        " and count for none."
    )
    return f"{table(['prediction by', 'PSNR (dB)', 'NCC'], rows)}\n\n{said}"


def main() -> None:
    """Rewrite the blocks between the markers of the page."""
    blocks: dict[str, str] = {}
    levers = json.loads(ablation.RESULTS.read_text("utf-8"))
    blocks["ablation"] = accuracy("changed", levers, [row.name for row in ablation.ROWS])
    easier = {"as it is": levers[ablation.ROWS[0].name], **json.loads(limits.RESULTS.read_text("utf-8"))}
    blocks["limits"] = accuracy("the case", easier, ["as it is", *(name for name, *_ in limits.ROWS)])
    blocks["fresh"] = paired(json.loads((HERE / "results" / "fresh.json").read_text("utf-8")))
    blocks["recorded"] = recorded(json.loads(severe.RESULTS.read_text("utf-8")))
    side_by_side = sorted(json.loads(models.RESULTS.read_text("utf-8")), key=lambda r: (r["case"], -r["stacks"]))
    blocks["models"] = models_page.orderings(side_by_side)
    blocks["orderings"] = models_page.paired(side_by_side)
    blocks["blurred"] = blur(json.loads(blurred_truth.RESULTS.read_text("utf-8")))
    blocks["wrong"] = wrong(json.loads(wrong_physics.RESULTS.read_text("utf-8")))
    runs = json.loads(scaling.RESULTS.read_text("utf-8"))
    blocks |= {"growth": growth(runs), "stages": stages(runs)}
    blocks["left_out"] = prediction(json.loads(left_out.RESULTS.read_text("utf-8")))
    fill(PAGE, blocks)


if __name__ == "__main__":
    main()
