"""The verdict and the tables of audit and quality."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bids_app.report.audit import audit_rows, findings, quality_table
from bids_app.report.verdict import BAD, CARE, GOOD, WORDS, Evidence, judge
from bids_app.report.words import Counts, listed

COUNTS = Counts(
    n_stacks=9,
    n_used_stacks=9,
    te_ms=(100.0, 200.0, 300.0),
    n_slices=100,
    n_used_slices=98,
    rotation_deg=2.0,
    shift_mm=1.0,
)
SOUND = Evidence(
    counts=COUNTS, reconstructed=True, t2_asked=True, has_t2=True, ncc=0.98, t2_missing=0.001, tissue_t2_ms=280.0
)  # fmt: skip


def test_sound_data_are_usable_and_the_reasons_say_why() -> None:
    verdict = judge(SOUND)
    assert (verdict.level, verdict.word) == (GOOD, "Usable")
    assert verdict.reasons == (
        "All 9 stacks and 98 of 100 slices with brain were used.",
        "Measured and predicted slices correlate with 0.980 (median).",
        "99.9 % of the brain voxels have a T2.",
    )


@pytest.mark.parametrize(
    ("change", "level", "reason"),
    [
        ({"counts": replace(COUNTS, n_used_slices=60)}, CARE, "60 of 100 slices"),
        ({"counts": replace(COUNTS, n_used_slices=40)}, BAD, "40 of 100 slices"),
        ({"counts": replace(COUNTS, n_used_stacks=8)}, CARE, "8 of 9 stacks were used"),
        ({"counts": replace(COUNTS, te_ms=(100.0, 200.0))}, CARE, "Two echo times"),
        ({"counts": replace(COUNTS, te_ms=(98.0, 100.0, 102.0))}, BAD, "span 4 ms"),
        ({"ncc": 0.85}, CARE, "correlate with 0.85"),
        ({"ncc": 0.6}, BAD, "correlate with 0.60"),
        ({"t2_missing": 0.1}, CARE, "10.0 % of the brain voxels have no T2"),
        ({"t2_missing": 0.4}, BAD, "40.0 % of the brain voxels have no T2"),
        ({"tissue_t2_ms": 700.0}, CARE, "check the echo times"),
        ({"n_guessed_masks": 2}, CARE, "2 of the brain masks were not given"),
        ({"audit_errors": ("3 stacks: affine: mirrored.",)}, CARE, "affine: mirrored"),
        ({"under_determined": ("Under-determined: left temporal pole",)}, CARE, "left temporal pole"),
        ({"cautions": ("The echo times suit tissue badly.",)}, CARE, "suit tissue badly"),
        ({"errors": ("out of memory",)}, BAD, "out of memory"),
        ({"reconstructed": False, "has_t2": False}, BAD, "No volume was reconstructed."),
        ({"has_t2": False}, BAD, "No T2 map was written."),
        ({"has_t2": False, "counts": replace(COUNTS, te_ms=(120.0,))}, BAD, "has the echo time 120 ms"),
    ],
)
def test_each_finding_has_its_level_and_its_words(change: dict[str, object], level: str, reason: str) -> None:
    verdict = judge(replace(SOUND, **change))  # type: ignore[arg-type]
    assert verdict.level == level
    assert reason in " ".join(verdict.reasons)
    assert verdict.meaning == WORDS[level][1]


def test_what_was_not_asked_for_is_not_missing() -> None:
    assert judge(replace(SOUND, t2_asked=False, has_t2=False)).level == GOOD
    assert judge(replace(SOUND, t2_asked=False, has_t2=False, reconstructed=False)).level == GOOD


def test_what_decides_stands_first() -> None:
    verdict = judge(replace(SOUND, n_guessed_masks=1, errors=("out of memory",)))
    assert verdict.reasons[0] == "out of memory"
    assert len(verdict.reasons) == 2


AUDIT = {
    "stack": ["sub-01_acq-ax_run-1_T2w", "sub-01_acq-ax_run-2_T2w", "sub-01_acq-cor_T2w"],
    "check": ["thickness", "thickness", "slice_gap"],
    "level": ["warning", "warning", "error"],
    "found": ["none given", "none given", "overlap of 1 mm"],
    "action": ["the spacing was taken", "the spacing was taken", "n/a"],
}


def test_the_audit_lists_the_gravest_first_and_says_what_was_done() -> None:
    rows = audit_rows(AUDIT)
    assert [row["level"] for row in rows] == ["error", "warning", "warning"]
    assert rows[0] == {
        "stack": "acq-cor",
        "check": "slice gap",
        "level": "error",
        "found": "overlap of 1 mm",
        "action": "",
        "mark": "bad",
    }
    assert findings(AUDIT, "error") == ("acq-cor: slice gap: overlap of 1 mm.",)
    assert findings(AUDIT, "warning") == ("acq-ax run-1, acq-ax run-2: thickness: none given (the spacing was taken).",)
    assert audit_rows({}) == []


def test_quality_is_shown_as_it_was_written() -> None:
    stacks = {"stack": ["sub-01_acq-ax_T2w", "sub-01_acq-cor_T2w"]}
    measures = {"motion_index_mm": ["1.2345", "n/a"], "verdict_text": ["sharp", "dull"], "x": ["n/a", "n/a"]}
    columns, rows = quality_table(stacks | measures)
    assert columns == ["motion index (mm)", "verdict text"]  # what no stack has is left out
    assert [row["cells"] for row in rows] == [["1.23", "sharp"], ["n/a", "dull"]]
    assert rows[0]["label"] == "acq-ax"
    assert quality_table({}) == ([], [])


def test_facts_become_texts_whatever_their_form() -> None:
    assert listed(None) == ()
    assert listed("one") == ("one",)
    assert listed(["a", {"volume_ml": 2.5, "place": "left"}]) == ("a", "volume ml 2.5, place left")
