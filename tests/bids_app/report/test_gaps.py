"""Regions with too little data, in words."""

from __future__ import annotations

from bids_app.report.gaps import gap_sentences, gap_warning

SMALL = {"centre_mm": [-15.4, 2.1, 6.8], "volume_mm3": 66.6, "te_s": [0.3], "share_of_mask": 0.0013}
LARGE = {"centre_mm": [-0.4, 2.5, -13.6], "volume_mm3": 2100.0, "te_s": [0.1, 0.3], "share_of_mask": 0.041}


def test_each_region_is_one_sentence_with_times_size_and_place() -> None:
    assert gap_sentences([SMALL, LARGE]) == (
        "At 300 ms: 67 mm³ around (-15, 2, 7) mm, 0.1 % of the brain mask.",
        "At 100 and 300 ms: 2100 mm³ around (0, 2, -14) mm, 4.1 % of the brain mask.",
    )


def test_only_what_is_worth_it_changes_the_verdict() -> None:
    assert gap_warning([SMALL]) == ()
    assert gap_warning([SMALL] * 16)[0].startswith("Too few slices measure 2 % of the brain mask")
    assert gap_warning([SMALL, LARGE])[0].startswith("Too few slices measure 4 % of the brain mask")


def test_accounts_without_such_regions_say_nothing() -> None:
    for regions in (None, []):
        assert gap_sentences(regions) == gap_warning(regions) == ()
