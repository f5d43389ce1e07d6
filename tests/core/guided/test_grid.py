"""The fine grid, and the words for what a guide was used for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fetalt2prep.core.guided.grid import fine_grid, step_along
from fetalt2prep.core.guided.options import GuidedOptions
from fetalt2prep.core.guided.use import reason_of
from fetalt2prep.core.signal import SpinEcho

TURN = np.array([[0.0, -1.0, 0.0], [0.6, 0.0, -0.8], [0.8, 0.0, 0.6]])


def coarse() -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros((20, 24, 10), bool)
    mask[6:14, 8:16, 3:7] = True
    affine = np.eye(4)
    affine[:3, :3] = TURN @ np.diag([2.0, 2.0, 4.0])
    affine[:3, 3] = (10, -5, 3)
    return mask, affine


def test_outer_faces_coincide_and_voxels_are_the_guides() -> None:
    mask, affine = coarse()
    guide = np.eye(4)
    guide[:3, :3] = TURN @ np.diag([1.0, 1.0, 1.0])
    grid = fine_grid(mask, affine, guide, None)
    assert grid.voxel_mm == pytest.approx((1, 1, 1))
    assert grid.coarse_shape == (14, 14, 10)
    assert grid.shape == (28, 28, 40)
    corner = grid.affine @ [-0.5, -0.5, -0.5, 1]
    low = [part.start - 0.5 for part in grid.box]
    assert corner == pytest.approx(affine @ [*low, 1])
    end = grid.affine @ [*(n - 0.5 for n in grid.shape), 1]
    assert end == pytest.approx(affine @ [*(part.stop - 0.5 for part in grid.box), 1])
    assert grid.nearest(mask).sum() == mask.sum() * 2 * 2 * 4


def test_a_guide_that_is_no_finer_leaves_the_grid_as_it_is() -> None:
    mask, affine = coarse()
    grid = fine_grid(mask, affine, np.diag([5.0, 5.0, 5.0, 1.0]), None)
    assert not grid.finer
    whole, its = grid.pasted(grid.nearest(mask).astype(np.float32), -1.0)
    assert its == pytest.approx(affine)
    assert np.array_equal(whole == 1, mask)
    assert whole[0, 0, 0] == -1
    assert fine_grid(mask, affine, np.eye(4), 1.0).factors == pytest.approx((2, 2, 4))


def test_step_along_a_direction() -> None:
    assert step_along(np.diag([1.0, 2.0, 4.0, 1.0]), np.array([0.0, 0.0, 3.0])) == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"use": "none", "spread": 0.4, "believed": 0.2}, "not used: no one gain"),
        ({"use": "none", "answer": 0.31, "with_t1": True}, "the network's answer with it is 0.31 from the coarse maps"),
        ({"use": "edges", "spread": 0.1}, "the spread is above 0.05"),
        ({"use": "edges"}, "its gain cannot be told"),
        ({"use": "signal", "te_s": 0.1}, "lies between those of the maps"),
        ({"use": "signal", "te_s": 0.5}, "it has the maps' scale"),
        ({"use": "signal", "with_t1": True}, "the maps predict its contrast"),
        ({"use": "edges", "asked": "edges"}, "as asked"),
    ],
)
def test_every_choice_has_its_reason(thing, changes, words) -> None:
    case = {"te_s": 0.1, "spread": 0.01, "believed": 0.99, "asked": "auto", "with_t1": False, "answer": None} | changes
    maps = replace(thing.coarse(with_t1=case["with_t1"]), te_s=() if case["with_t1"] else (0.05, 0.2))
    guide = replace(thing.guide(SpinEcho(te_s=case["te_s"])), same_scale=True)
    row = {"use": case["use"], "gain_spread": case["spread"], "believed_fraction": case["believed"], "gain": 1.0}
    said = reason_of(guide, maps, GuidedOptions(use=case["asked"]), row, case["answer"])
    assert words in said
