from __future__ import annotations

import numpy as np
import pytest

from fetalt2prep.core.mask.sanity import (
    Verdict,
    expected_volume_ml,
    judge_agreement,
    judge_facts,
    mask_facts,
)

AFFINE = np.diag([2.0, 2.0, 4.0, 1.0])


def head(radius_mm: float = 30.0) -> np.ndarray:
    """A ball in the middle of 40 x 40 x 20 voxels."""
    index = np.moveaxis(np.indices((40, 40, 20)), 0, -1) - np.array([19.5, 19.5, 9.5])
    return np.linalg.norm(index * [2.0, 2.0, 4.0], axis=-1) <= radius_mm


def test_a_ball_measures_what_a_ball_has() -> None:
    facts = mask_facts(head(), AFFINE)
    assert facts.volume_ml == pytest.approx(4 / 3 * np.pi * 27, rel=0.02)
    assert (facts.n_components, facts.stray_share, facts.hole_share, facts.gap_share) == (1, 0, 0, 0)
    assert facts.least_overlap > 0.9
    assert judge_facts(facts, weeks=26.0) == Verdict()


def test_each_defect_is_named() -> None:
    def words(mask: np.ndarray, weeks: float | None = None) -> str:
        found = judge_facts(mask_facts(mask, AFFINE), weeks=weeks)
        assert found.verdict == "suspect"
        return "; ".join(found.reasons)

    holed, gaps, jumps, pieces = head(), head(), head(18.0), head()
    holed[14:26, 16:24, 6:14] = False
    assert "missing as holes" in words(holed)
    gaps[:, :, 5:15:2] = False
    assert "slices are empty" in words(gaps)
    jumps[:, :, 10:] = np.roll(jumps[:, :, 10:], 10, axis=0)
    assert "neighbouring slices" in words(jumps)
    pieces[:6, :6, :] = True
    assert "separate pieces" in words(pieces)
    assert "112 mL" in words(head(), weeks=36.0)
    assert "are expected at any age" in words(head(9.0))


def test_an_empty_mask_has_failed() -> None:
    found = judge_facts(mask_facts(np.zeros((4, 4, 3), bool), AFFINE))
    assert found == Verdict(verdict="failed", reasons=("the brain mask is empty",))


def test_low_confidence_of_an_estimated_mask_is_said() -> None:
    facts = mask_facts(head(), AFFINE)
    assert judge_facts(facts, confidence=0.12).reasons == ("the estimated mask has a confidence of 0.12",)
    assert judge_facts(facts, confidence=0.8).verdict == "ok"


def test_the_volume_grows_as_brains_do_and_holds_those_that_were_measured() -> None:
    """A public atlas at 24 and 29 weeks, the second operated and with wide ventricles; growth after Clouchoux 2012."""
    for weeks, volume_ml in ((24.0, 85.1), (29.0, 270.1)):
        low, high = expected_volume_ml(weeks)
        assert low < volume_ml < high
    assert expected_volume_ml(36.6)[0] / expected_volume_ml(25.4)[0] == pytest.approx(2.9, abs=0.1)
    assert expected_volume_ml(None)[0] < expected_volume_ml(18.0)[0] * 2
    assert expected_volume_ml(None)[1] < expected_volume_ml(41.0)[1] * 2


def test_disagreement_fails_only_against_two_others() -> None:
    ok = Verdict()
    assert judge_agreement(ok, 0.9, 1.0, 5) is ok
    assert judge_agreement(ok, float("nan"), float("nan"), 0) is ok
    half = judge_agreement(ok, 0.66, 0.5, 5)
    assert half.verdict == "suspect"
    assert "0.50 times their volume" in half.reasons[0]
    assert judge_agreement(ok, 0.1, 1.0, 5).verdict == "failed"
    assert judge_agreement(ok, 0.1, 1.0, 1).verdict == "suspect"
