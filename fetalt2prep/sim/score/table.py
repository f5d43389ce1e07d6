"""Scores for people: rows of a table file, and a text that fits a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fetalt2prep.sim.score.t2_scores import TISSUES

Scores = Mapping[str, Any]
PER_ECHO = {"ssim": "", "psnr": "dB", "scale_ratio_to_first": ""}
COUNTS = ("n_voxels", "n_slices")


def score_rows(scores: Scores) -> list[dict[str, object]]:
    """One row per number: quantity, where (tissue, echo time, slices, all), value, unit; None becomes n/a."""
    rows = [_row("registration_ncc", "all", scores["registration_ncc"], "")]
    rows += [_row(f"rotation_{axis}", "all", v, "deg") for axis, v in zip("xyz", scores["rotation_deg"], strict=True)]
    for tissue in _tissues(scores):
        rows += [_row(name, tissue, value, _unit(name, "ms")) for name, value in scores[tissue].items()]
    if "invalid_percent" in scores:
        rows.append(_row("invalid", "WM+GM", scores["invalid_percent"], "percent"))
    for name, unit in PER_ECHO.items():
        rows += [_row(name, f"{te:g} ms", value, unit) for te, value in zip(scores["te_ms"], scores[name], strict=True)]
    for name, value in scores.get("slices", {}).items():
        rows.append(_row(f"slice_error_{name.removesuffix('_mm')}", "slices", value, _unit(name, "mm")))
    return rows


def score_text(scores: Scores) -> str:
    """Scores as aligned columns."""
    turned = ", ".join(f"{angle:.1f}" for angle in scores["rotation_deg"])
    lines = [f"Registered by the first echo: correlation {scores['registration_ncc']:.3f}, turned by {turned} deg.", ""]
    tissues = _tissues(scores)
    if tissues:
        lines += [_t2_line("T2 (ms)", ("truth", "found", "MAE", "med.|e|", "bias", "MAE*", "med.|e|*", "bias*"))]
        names = ("true_median", "median", "mae", "medae", "bias", "core_mae", "core_medae", "core_bias")
        lines += [_t2_line(tissue, [_ms(scores[tissue][name]) for name in names]) for tissue in tissues]
        lines += ["* without the voxels at the edge of the tissue", ""]
        if "invalid_percent" in scores:
            lines += [f"No plausible T2 in {scores['invalid_percent']:.2f} % of white matter and cortex.", ""]
    else:
        lines += ["T2 was not scored: truth or reconstruction has no T2 map.", ""]
    lines += [f"{'echo':<12}{'SSIM':>9}{'PSNR (dB)':>11}{'scale to first':>16}"]
    for te, *values in zip(scores["te_ms"], *(scores[name] for name in PER_ECHO), strict=True):
        ssim, psnr, ratio = values
        lines += [f"{te:>6g} ms   {ssim:>9.3f}{psnr:>11.1f}{ratio:>16.4f}"]
    if "slices" in scores:
        s = scores["slices"]
        lines += [
            "",
            f"Slices ({s['n_slices']}): {s['median_mm']:.2f} mm from their true place (median; 90 % below "
            f"{s['p90_mm']:.2f} mm), {s['uncorrected_median_mm']:.2f} mm without correction.",
        ]
    else:
        lines += ["", "Slices were not scored: truth or reconstruction has no table of slices."]
    return "\n".join(lines) + "\n"


def _tissues(scores: Scores) -> list[str]:
    return [tissue for tissue in TISSUES if tissue in scores]


def _row(quantity: str, where: str, value: object, unit: str) -> dict[str, object]:
    return {"quantity": quantity, "where": where, "value": "n/a" if value is None else value, "unit": unit or "n/a"}


def _unit(name: str, otherwise: str) -> str:
    return "count" if name.removeprefix("core_") in COUNTS else otherwise


def _ms(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.1f}"


def _t2_line(head: str, cells: Sequence[str]) -> str:
    return f"{head:<12}" + "".join(f"{cell:>9}" for cell in cells)
