"""The benchmark of the paper's tables: protocol, statistics by hand, and a page that says what the results say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import paper_tables
from benchmarks.paper_page import DIFFER, page_text, tables_text
from benchmarks.protocols import adults, fetuses
from benchmarks.published import PUBLISHED
from benchmarks.statistics import best_and_p, mean_sd, paired_p


def result(subject: str, model: str, mae: float, stacks: int = 3, table: int = 2) -> dict[str, object]:
    scores = {"WM": {"mae": mae}, "GM": {"mae": 2 * mae}, "ssim": [0.8, 0.9, 0.7]}
    options = {"in_plane_mm": 0.8, "te_s": [0.22, 0.5, 0.69]}
    key = {"table": table, "subject": subject, "stacks": stacks, "model": model, "resolution_mm": 0.8, "note": ""}
    return key | {"scores": scores, "options": options}


def test_protocols_are_the_papers() -> None:
    two, three = fetuses(), adults()
    assert [s.options.gestational_age_weeks for s in two] == [25, 27, 30, 33, 35]
    assert {(s.options.field_t, s.options.te_s, s.options.in_plane_mm, s.resolution_mm) for s in two} == {
        (1.5, (0.22, 0.5, 0.69), 0.8, 0.8)
    }
    assert {(s.options.field_t, s.options.te_s, s.options.in_plane_mm, s.resolution_mm) for s in three} == {
        (0.55, (0.114, 0.202, 0.299), 1.18, 1.0)
    }
    assert {(s.options.thickness_mm, s.options.spacing_mm) for s in (*two, *three)} == {(4.5, 4.5)}
    assert {s.options.planes for s in (*two, *three)} == {("ax", "cor", "sag")}
    assert {s.options.life for s in two} == {"fetal"}
    assert {s.options.life for s in three} == {"adult"}
    assert {s.stacks for s in two} == {(3,)}
    assert {s.stacks for s in three} == {(3, 2, 1)}
    assert all(s.options.void_probability > 0 and s.options.motion != "none" for s in (*two, *three))
    assert len({s.seed for s in (*two, *three)}) == 15


def test_coarser_keeps_slices_and_brain() -> None:
    fine, coarse = fetuses()[0], fetuses()[0].coarser(3)
    assert coarse.options.in_plane_mm == pytest.approx(2.4)
    assert coarse.resolution_mm == pytest.approx(2.4)
    assert coarse.options.truth_mm == pytest.approx(1.6)
    assert coarse.options.thickness_mm == fine.options.thickness_mm
    assert coarse.options.brain_length_mm is fine.options.brain_length_mm


def test_published_numbers_are_the_papers(shared: Path) -> None:
    """Each pair of mean and standard deviation stands in the text of the paper that the project keeps."""
    (seed,) = (shared / "seeds").glob("000_*.txt")
    text = (
        " ".join(seed.read_text("utf-8").replace("卤", "±").replace("∗", "").split())
        .replace(" ±", "±")
        .replace("± ", "±")
    )
    for rows in PUBLISHED.values():
        for cells in rows.values():
            assert all(f"{mean:.2f}±{sd:.2f}" in text for mean, sd in cells)


def test_statistics_by_hand() -> None:
    assert mean_sd([1.0, 2.0, 3.0]) == (2.0, 1.0)
    assert mean_sd([5.0])[0] == 5.0
    assert np.isnan(mean_sd([5.0])[1])
    assert np.isnan(mean_sd([float("nan")])[0])
    one, other = {"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 2.0, "b": 4.0, "c": 6.0}
    # differences 1, 2, 3: t = 2 / (1 / sqrt(3)) = 3.4641 with 2 degrees of freedom; p = 1 - t / sqrt(t^2 + 2)
    assert paired_p(one, other) == pytest.approx(1 - 12**0.5 / 14**0.5)
    assert np.isnan(paired_p({"a": 1.0, "b": 2.0}, other))
    assert best_and_p({"x": one, "y": other}, lower_is_better=True)[0] == "x"
    assert best_and_p({"x": one, "y": other}, lower_is_better=False)[0] == "y"


def test_page_holds_ours_beside_theirs() -> None:
    mae = {"sc": (30, 32, 34), "mc": (20, 21.9, 24), "mcreg": (10, 12.1, 14)}
    results = [result(f"s{k}", model, values[k]) for model, values in mae.items() for k in range(3)]
    text = page_text(results)
    assert "| 3 | MCReg | published | 20.9 ± 1.8 | 32.7 ± 5.4 | 0.80 ± 0.02 | 0.84 ± 0.01 | 0.83 ± 0.03 |" in text
    assert "| 3 | SC | ours | 32.0 ± 2.0 | 64.0 ± 4.0 |" in text
    assert "| 3 | MCReg | ours | **12.0 ± 2.0** † |" in text
    assert text.count(DIFFER) == 2  # at the top and under the table
    assert "coarser" not in text
    assert "MC against SC, 3 stacks, WM: 0.00" in text
    assert "No paired test" in page_text([r for r in results if r["subject"] == "s0"])


def test_failures_are_said() -> None:
    failed = result("s0", "sc", 0.0, stacks=1) | {"scores": None, "note": "too few pixels"}
    text = tables_text([failed, result("s0", "mc", 20.0, stacks=1)])
    assert "| 1 | SC | ours | failed |" in text
    assert "- s0, 1 stacks per TE, sc: too few pixels" in text


def test_the_page_of_the_documentation_is_that_of_the_kept_results(repo: Path) -> None:
    kept = json.loads((repo / "benchmarks" / "results" / "paper_tables.json").read_text("utf-8"))
    assert (repo / "docs" / "paper_tables.md").read_text("utf-8") == page_text(kept)


def test_nothing_is_computed_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper_tables, "RESULTS", tmp_path / "results" / "r.json")
    ran = []

    def pretend(_case: object, subject: object, n_stacks: int, model: str, _device: str) -> dict[str, object]:
        ran.append((n_stacks, model))
        return {"scores": None, "note": "pretended", "cpu_s": 0.0}

    monkeypatch.setattr(paper_tables, "run_model", pretend)
    monkeypatch.setattr(paper_tables, "simulate_case", lambda options, seed: None)
    results: list[dict[str, object]] = []
    paper_tables.compute(fetuses([25.0]), ["sc", "mc"], "cpu", results)
    paper_tables.compute(fetuses([25.0]), ["sc", "mc"], "cpu", json.loads(paper_tables.RESULTS.read_text()))
    assert ran == [(3, "sc"), (3, "mc")]


def test_a_new_result_replaces_that_of_other_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper_tables, "RESULTS", tmp_path / "r.json")
    monkeypatch.setattr(paper_tables, "simulate_case", lambda options, seed: None)
    pretended = {"scores": None, "note": "pretended", "cpu_s": 0.0}
    monkeypatch.setattr(paper_tables, "run_model", lambda *_: pretended)
    (subject,) = fetuses([25.0])
    stale = paper_tables.key_of(subject, 3, "sc") | {"version": "0.0.1", "scores": None, "note": "old"}
    other_size = paper_tables.key_of(subject.coarser(2), 3, "sc") | {"scores": None, "note": "coarse"}
    results = [stale, other_size]
    paper_tables.compute([subject], ["sc"], "cpu", results)
    assert [r["note"] for r in results] == ["coarse", "pretended"]


@pytest.mark.parametrize("arguments", [["--scale", "0"], ["--tables", "4"], ["--models", "svrtk"]])
def test_wrong_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        paper_tables.main(arguments)
    assert stop.value.code == 2
    assert arguments[0] in capsys.readouterr().err
