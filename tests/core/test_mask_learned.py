"""The way around the network: resampling, places, flips, slices, choice. The network here is a threshold."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fetalt2prep.core.mask.choose import choose_brain
from fetalt2prep.core.mask.learned import EDGE_MM, MaskModel, find_brain_learned
from fetalt2prep.core.mask.network import MULTIPLE, MaskNet, with_neighbours
from fetalt2prep.core.mask.resample import from_square_pixels, to_square_pixels
from fetalt2prep.core.mask.slices import continuous, join_slices

SHAPE = (90, 70, 16)
AFFINE = np.diag([2.5, 2.5, 4.0, 1.0])
SPACING = np.array([2.0, 2.0, 4.0])


def ball(centre: tuple[float, float, float], radius_mm: float) -> np.ndarray:
    points = np.moveaxis(np.indices(SHAPE), 0, -1) * np.diag(AFFINE)[:3]
    return np.linalg.norm(points - np.array(centre), axis=-1) <= radius_mm


def bright_ball(*others: np.ndarray) -> np.ndarray:
    image = np.where(ball((112, 87, 32), 95), 30.0, 1.0)
    for other in others:
        image[other] = 100.0
    image[ball((120, 80, 32), 30)] = 100.0
    return image.astype(np.float32)


def threshold(x: torch.Tensor) -> torch.Tensor:
    """Brain is what is bright in the middle slice."""
    return torch.sigmoid(20 * (x[:, x.shape[1] // 2] - 0.6))


MODEL = MaskModel(predict=threshold)


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


def test_a_ball_is_outlined_on_the_stacks_own_grid() -> None:
    found = find_brain_learned(bright_ball(), AFFINE, MODEL)
    assert found.mask.shape == SHAPE
    assert dice(found.mask, ball((120, 80, 32), 30 + EDGE_MM)) > 0.95
    assert found.confidence > 0.8
    assert found.reasons == (f"volume {found.mask.sum() * 0.025:.0f} mL in 15 slices",)


def test_a_second_ball_is_left_out_and_lowers_the_confidence() -> None:
    other = ball((50, 80, 32), 24)
    found = find_brain_learned(bright_ball(other), AFFINE, MODEL)
    assert dice(found.mask, ball((120, 80, 32), 30 + EDGE_MM)) > 0.95
    assert not (found.mask & other).any()
    assert found.confidence < 0.8
    assert "another place looks nearly as much like a brain" in found.reasons


def test_nothing_found_is_said() -> None:
    nothing = MaskModel(predict=lambda x: torch.zeros(x.shape[0], *x.shape[2:]))
    with pytest.raises(ValueError, match="no brain"):
        find_brain_learned(bright_ball(), AFFINE, nothing)
    with pytest.raises(ValueError, match="no signal"):
        find_brain_learned(np.zeros(SHAPE, np.float32), AFFINE, MODEL)


def test_the_network_is_shown_what_the_model_asks_for() -> None:
    shapes: set[tuple[int, ...]] = set()

    def look(x: torch.Tensor) -> torch.Tensor:
        shapes.add(tuple(x.shape[1:]))
        assert 0 <= float(x.min()) <= float(x.max()) <= 2
        return threshold(x)

    find_brain_learned(bright_ball(), AFFINE, MaskModel(predict=look, n_neighbours=2, multiple=32, pixel_mm=3.0))
    assert {channels for channels, *_ in shapes} == {5}
    assert {side % 32 for _, *sides in shapes for side in sides} == {0}


def test_neighbours_by_hand() -> None:
    slices = torch.arange(4.0).reshape(4, 1, 1)
    assert with_neighbours(slices)[:, :, 0, 0].tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 3]]
    assert with_neighbours(slices, 0)[:, :, 0, 0].tolist() == [[0], [1], [2], [3]]


def test_the_network_keeps_the_shape_and_answers_to_the_middle_slice() -> None:
    torch.manual_seed(0)
    network = MaskNet().eval()
    x = torch.rand(2, 3, 2 * MULTIPLE, 3 * MULTIPLE)
    with torch.no_grad():
        assert network(x).shape == (2, 2 * MULTIPLE, 3 * MULTIPLE)
        # With fixed statistics a far away change of the view changes nothing here.
        wide = torch.rand(1, 3, MULTIPLE, 40 * MULTIPLE)
        other = wide.clone()
        other[..., -MULTIPLE:] = 0
        torch.testing.assert_close(network(wide)[..., :MULTIPLE], network(other)[..., :MULTIPLE])


def test_resampling_there_and_back_keeps_a_smooth_image() -> None:
    x, y, _ = np.indices((60, 50, 3))
    image = (np.sin(x / 9) + np.cos(y / 7)).astype(np.float32)
    there = to_square_pixels(image, np.array([1.5, 1.5, 4.0]), 2.0)
    assert there.shape == (45, 38, 3)
    np.testing.assert_allclose(from_square_pixels(there, image.shape), image, atol=0.1)


def stacked_disks(*, gap: int | None = None, leap: int | None = None) -> np.ndarray:
    """Probability of one cylinder through 12 slices, one of them missing or elsewhere."""
    x, y = np.indices((60, 60))
    out = np.zeros((60, 60, 12), np.float32)
    for k in range(1, 11):
        centre = (48, 12) if k == leap else (30, 30)
        out[:, :, k] = (k != gap) * 0.95 * (np.hypot(x - centre[0], y - centre[1]) < 9)
    return out


def test_a_missing_slice_is_filled_and_one_that_leaps_is_replaced() -> None:
    whole = join_slices(stacked_disks(), SPACING)
    assert whole.any((0, 1)).sum() == 10
    for probability in (stacked_disks(gap=5), stacked_disks(leap=5)):
        found = join_slices(probability, SPACING)
        assert dice(found[:, :, 5], whole[:, :, 5]) > 0.9
    assert continuous(whole, SPACING) == 1.0
    leaping = stacked_disks(leap=5) > 0.5
    assert continuous(leaping, SPACING) == pytest.approx(7 / 9)


def test_what_hangs_on_by_a_thin_bridge_is_cut_off() -> None:
    probability = stacked_disks()
    probability[38:46, 29:31, 1:11] = 0.9  # 4 mm wide
    probability[46:54, 26:34, 1:11] = 0.9
    found = join_slices(probability, SPACING)
    assert not found[46:].any()
    assert dice(found, stacked_disks() > 0.5) > 0.97


def test_the_choice_falls_back_on_the_classical_method_and_says_why() -> None:
    image = bright_ball()
    assert choose_brain(image, AFFINE, lambda: MODEL).source == "network"
    blind = MaskModel(predict=lambda x: torch.zeros(x.shape[0], *x.shape[2:]))
    even = np.full((60, 60, 8), 7.0, np.float32)
    nothing = choose_brain(even, AFFINE, lambda: blind)
    assert (nothing.source, nothing.guess.confidence, nothing.guess.mask.any()) == ("network", 0.0, False)
    assert "no brain" in nothing.guess.reasons[0]
    alone = choose_brain(even, AFFINE, None)
    assert (alone.source, alone.guess.confidence) == ("classical", 0.0)


def test_the_classical_method_is_believed_where_the_network_is_not_sure() -> None:
    from tests.core.test_mask import AFFINE as CLASSICAL_AFFINE
    from tests.core.test_mask import phantom

    image, truth = phantom()
    blind = MaskModel(predict=lambda x: torch.zeros(x.shape[0], *x.shape[2:]))
    found = choose_brain(image, CLASSICAL_AFFINE, lambda: blind)
    assert found.source == "classical"
    assert dice(found.guess.mask, truth) > 0.9
    assert "the network's confidence was 0.00" in found.guess.reasons[-1]
