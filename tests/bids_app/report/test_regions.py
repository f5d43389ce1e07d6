"""The part of the report on regions and on what can have moved T2."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from bids_app.report.build import build_report
from bids_app.report.figures_reasons import REASONS, figure_reasons
from bids_app.report.regions import budget_rows, region_rows
from fetalt2prep.core.t2.fit import T2Reason

from .conftest import AFFINE, SHAPE, MakeSession, ball, write_image, write_rows

BUDGET = {
    "t2_s": [0.15, 0.25],
    "effects": [
        {"name": "noise floor", "low": [0.0, 0.0], "high": [0.176, 0.013], "because": "the noise of a pixel"},
        {"name": "not told", "low": [0.0, 0.0], "high": [float("nan"), 0.0], "because": "noise not known"},
    ],
    "precision": [0.39, 0.16],
    "warnings": ["The echo times 300, 397, 600 ms suit tissue badly.", "T2 may be off by up to 18 %."],
}


def region(name: str, **values: object) -> dict[str, object]:
    row = {"index": 1, "name": name, "n_voxels": 10, "volume_mm3": 2500.0, "valid_fraction": 0.987}
    row |= {"t2_median_s": 0.25, "t2_q25_s": 0.2, "t2_q75_s": 0.3, "t2_mean_s": 0.26, "t2_mean_stderr_s": 0.0012}
    row |= {"core_n_voxels": 5, "core_t2_median_s": 0.245, "t2_tissue_median_s": "n/a", "csf_flagged_fraction": 0.1}
    return row | values


def add_measures(out_dir: Path) -> Path:
    start = out_dir / "sub-01" / "anat" / "sub-01_rec-inr"
    rows = [region("brain"), region("white_matter", t2_median_s="n/a", t2_q25_s="n/a", t2_mean_s="n/a")]
    write_rows(rows, Path(f"{start}_desc-regions_stats.tsv"))
    described = {"Regions": "x_seg-feta_dseg.nii.gz, feta", "Notes": ["labels without a name, left out: 9"]}
    Path(f"{start}_desc-regions_stats.json").write_text(json.dumps(described))
    Path(f"{start}_desc-budget_stats.json").write_text(json.dumps(BUDGET))
    codes = np.where(ball(SHAPE, AFFINE, 9.0), 0, 1).astype(np.uint8)
    codes[tuple(n // 2 for n in SHAPE)] = T2Reason.RISING
    write_image(codes, AFFINE, Path(f"{start}_desc-reason_dseg.nii.gz"))
    return out_dir


def page_of(out_dir: Path) -> str:
    return build_report(out_dir, "01", run_uuid="run1").read_text("utf-8")


def test_regions_budget_and_reasons_are_on_the_page(make_session: MakeSession) -> None:
    page = page_of(add_measures(make_session()))
    assert "Regions and bias budget" in page
    assert "x_seg-feta_dseg.nii.gz, feta" in page
    assert "labels without a name, left out: 9" in page
    assert "white matter" in page
    assert "200 to 300" in page
    assert "260 ± 1.2" in page
    assert "+0 to +18 %" in page
    assert "not known" in page
    assert "± 39 %" in page
    assert page.count("The echo times 300, 397, 600 ms suit tissue badly.") == 2  # in the verdict as well
    assert "Largest known bias of T2" in page
    assert "desc-reason_T2map.png" in page


def test_without_measures_the_page_says_so(make_session: MakeSession) -> None:
    assert "No table of regions was written." in page_of(make_session())


def test_rows_of_missing_tables_are_empty(make_session: MakeSession) -> None:
    from bids_app.report.derivatives import find_sessions

    (session,) = find_sessions(make_session(), "01")
    assert region_rows(session) == []
    assert budget_rows({}) == []


def test_every_reason_has_words_and_a_colour() -> None:
    assert len(REASONS) == len(T2Reason)
    assert len({colour for _, colour in REASONS}) == len(REASONS)


def test_the_legend_names_what_occurs() -> None:
    mask = ball(SHAPE, AFFINE, 9.0)
    codes = np.where(mask, 0, 1).astype(float)
    codes[7, 8, 6] = 5
    figure = figure_reasons(codes, mask, (2.0, 2.0, 2.0))
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [text.partition(":")[0] for text in texts] == ["T2 estimated", "at or beyond a bound"]
