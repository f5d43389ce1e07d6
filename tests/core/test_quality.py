from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fetalt2prep.core.quality.assess import StackReport, assess
from fetalt2prep.core.quality.choose import choose
from fetalt2prep.core.quality.dropped import lost_share
from fetalt2prep.core.quality.measures import motion_index_mm, rank_measure, sharpness_per_mm, snr
from fetalt2prep.core.stack import Stack

from .conftest import Phantom


@pytest.fixture(scope="module")
def session() -> list[Stack]:
    return Phantom().session((0.1, 0.2), ("axial", "coronal"))


@pytest.fixture(scope="module")
def good(session: list[Stack]) -> list[StackReport]:
    return assess(session)[0]


def test_good_stacks_are_not_flagged(good: list[StackReport]) -> None:
    assert [report.flagged for report in good] == [False] * 4
    assert all(report.alignment is not None and report.alignment.correlation > 0.8 for report in good)
    assert all(report.mask_dice > 0.9 and report.coverage > 0.95 for report in good)
    assert [choose(report, "auto") for report in good] == [(True, "")] * 4


def test_spoiled_stacks_are_flagged_with_words_and_the_others_are_not(session: list[Stack]) -> None:
    first, *rest = session
    reversed_ = replace(first, pixels=np.flip(first.pixels, 1).copy(), mask=np.flip(first.mask, 1).copy())
    report, *others = assess([reversed_, *rest])[0]
    assert "axis j is reversed" in report.picture.reasons[0]
    assert not any(other.flagged for other in others)
    half = first.mask.copy()
    half[: half.shape[0] // 2] = False
    reports, masks = assess([replace(first, mask=half), *rest], consensus=True)
    assert reports[0].mask.verdict == "suspect"
    assert "Dice" in reports[0].mask.reasons[-1]
    shared = (masks[0] & first.mask).sum()
    assert 2 * shared / (masks[0].sum() + first.mask.sum()) > 0.9  # of half a mask it is 0.67


def test_an_empty_mask_is_never_used(session: list[Stack]) -> None:
    report = assess([replace(session[0], mask=np.zeros_like(session[0].mask))])[0][0]
    assert report.mask.verdict == "failed"
    assert choose(report, "all") == (False, "the brain mask is empty")


def test_a_stack_alone_is_judged_by_itself(session: list[Stack]) -> None:
    (report,) = assess(session[:1])[0]
    assert not report.flagged
    assert np.isnan(report.mask_dice)
    assert choose(report, "auto", ["has the same pixels as another"]) == (False, "has the same pixels as another")
    assert choose(report, "all", ["has the same pixels as another"])[0]
    with pytest.raises(ValueError, match="auto, all"):
        choose(report, "some")


def test_lost_signal_is_found_in_its_slice() -> None:
    mask = np.zeros((30, 30, 5), bool)
    mask[4:26, 4:26] = True
    expected = np.full(mask.shape, 10.0)
    picture = expected.copy() * 3  # the scale does not matter
    picture[6:24, 6:16, 2] *= 0.2
    found = lost_share(picture, expected, mask, np.array([2.0, 2.0, 4.0]))
    assert found[2] == pytest.approx(180 / 484, abs=0.1)
    assert found[[0, 1, 3, 4]].tolist() == [0, 0, 0, 0]
    mask[:, :, 4] = False
    mask[10:13, 10:13, 4] = True
    assert np.isnan(lost_share(picture, expected, mask, np.array([2.0, 2.0, 4.0]))[4])  # too small to be judged


def test_measures_by_hand(session: list[Stack]) -> None:
    stack = session[0]
    noisy = replace(stack, noise_sigma=10.0)
    assert snr(noisy) == pytest.approx(float(stack.pixels[stack.mask].mean()) / 10)
    blurred = replace(stack, pixels=(stack.pixels + np.roll(stack.pixels, 1, 0) + np.roll(stack.pixels, -1, 0)) / 3)
    assert sharpness_per_mm(replace(blurred, noise_sigma=1.0)) < sharpness_per_mm(replace(stack, noise_sigma=1.0))
    columns = np.zeros((20, 20, 9), bool)
    for k in range(9):
        columns[5 + k % 2 : 10 + k % 2, 5:10, k] = True  # to and fro by one pixel of 2 mm
    assert motion_index_mm(columns, np.diag([2.0, 2, 4, 1])) == pytest.approx(2.0)
    one = np.random.default_rng(0).uniform(1, 2, (18, 18, 1)).astype("f4") * np.linspace(1, 2, 9, dtype="f4")
    still = replace(stack, pixels=one, mask=np.ones((18, 18, 9), bool))
    assert rank_measure(still) == pytest.approx(1 / 9)
    other = np.random.default_rng(1).uniform(1, 2, (18, 18, 9)).astype("f4")
    assert rank_measure(replace(still, pixels=other)) > 0.5
