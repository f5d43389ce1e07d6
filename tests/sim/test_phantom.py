"""The phantom is a head: sizes, order of layers, no ambiguity, and the same at every resolution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from fetalt2prep.sim.anatomy import Anatomy, cerebrum_length_mm, draw_anatomy, fold_depth_mm
from fetalt2prep.sim.phantom import HeadGrid, Label, _depth_mm, brain_mask, head_labels


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return draw_anatomy(np.random.default_rng(2), 32.0)


@pytest.fixture(scope="module")
def labels(anatomy: Anatomy) -> np.ndarray:
    return head_labels(anatomy, HeadGrid.around(anatomy, 1.0))


def test_every_tissue_of_the_head_is_there(labels: np.ndarray) -> None:
    litres = {label: float((labels == label).sum()) * 1e-6 for label in Label}
    for label in (1, 2, 3, 4, 5, 6, 7, Label.SKULL, Label.SCALP):
        assert litres[Label(label)] > 1e-3, Label(label).name
    assert 0.2 < sum(litres[Label(k)] for k in (1, 3, 5, 6, 7)) < 0.35  # parenchyma at 32 weeks: about 0.25 l


def test_size_follows_age_and_folds_deepen() -> None:
    assert cerebrum_length_mm(24.0) == pytest.approx(70.0)
    assert cerebrum_length_mm(29.0) == pytest.approx(91.25)
    assert fold_depth_mm(19.0) == 0.0
    ages = np.arange(20.0, 37.0)
    assert np.all(np.diff([cerebrum_length_mm(a) for a in ages]) > 0)
    assert np.all(np.diff([fold_depth_mm(a) for a in ages]) >= 0)


def test_the_head_has_an_empty_rim_and_the_skull_shields_the_brain(labels: np.ndarray) -> None:
    for axis in range(3):
        for end in (0, -1):
            assert not np.take(labels, end, axis).any()
    touching = ndimage.binary_dilation(brain_mask(labels)) & ~brain_mask(labels)
    assert set(np.unique(labels[touching]).tolist()) == {int(Label.SKULL)}


def test_cortex_is_one_to_three_millimetres_thick() -> None:
    anatomy = draw_anatomy(np.random.default_rng(2), 31.0, 55.0)
    grid = HeadGrid.around(anatomy, 0.5)
    labels = head_labels(anatomy, grid)
    assert 1.5 <= anatomy.cortex_mm <= 3.0
    cortex = labels == Label.CORTICAL_GREY
    outside = np.isin(labels, (Label.EXTRA_AXIAL_CSF, Label.SKULL))
    to_fluid = ndimage.distance_transform_edt(~outside)[cortex] * 0.5
    assert np.quantile(to_fluid, 0.98) <= anatomy.cortex_mm + 0.75


@pytest.mark.parametrize("age", [21.0, 39.0])
def test_cerebrum_is_in_one_piece(age: float) -> None:
    anatomy = draw_anatomy(np.random.default_rng(2), age)
    labels = head_labels(anatomy, HeadGrid.around(anatomy, 1.0))
    assert ndimage.label(np.isin(labels, (1, 2, 3, 5, 6, 7)))[1] == 1


def test_a_grid_that_would_not_fit_into_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="Take a larger truth_mm"):
        HeadGrid.around(draw_anatomy(np.random.default_rng(0), 30.0), 0.05)


def test_white_matter_is_inside_the_cortex(labels: np.ndarray) -> None:
    """Outside the midline and the base, white matter never meets the fluid around the brain."""
    white = labels == Label.WHITE_MATTER
    fluid = labels == Label.EXTRA_AXIAL_CSF
    contact = ndimage.binary_dilation(fluid) & white
    assert contact.sum() < 0.02 * white.sum()


def test_a_finer_grid_shows_the_same_head(anatomy: Anatomy) -> None:
    fractions = []
    for spacing_mm in (0.7, 1.4):
        labels = head_labels(anatomy, HeadGrid.around(anatomy, spacing_mm))
        fractions.append([(labels == k).sum() * spacing_mm**3 for k in (1, 2, 3, 4, 5, 6)])
    assert np.allclose(*fractions, rtol=0.12)


@pytest.mark.parametrize("axes", [(0, 1), (0, 2), (1, 2)])
def test_left_and_right_nearly_mirror_but_half_turns_do_not(labels: np.ndarray, axes: tuple[int, int]) -> None:
    parenchyma = np.isin(labels, (1, 3, 5, 6, 7))

    def overlap(other: np.ndarray) -> float:
        return float(2 * (parenchyma & other).sum() / (parenchyma.sum() + other.sum()))

    assert overlap(parenchyma[::-1]) > 0.9
    turned = np.flip(parenchyma, axes)
    shift = np.round(ndimage.center_of_mass(parenchyma)) - np.round(ndimage.center_of_mass(turned))
    assert overlap(np.roll(turned, shift.astype(int), (0, 1, 2))) < 0.86


def test_ventricles_are_as_wide_as_asked() -> None:
    """Width of the atrium, the widest part of the lateral ventricle: 13 mm at scale 1 in a brain of 80 mm."""
    for scale, expected_mm in ((1.0, 13.0), (0.6, 7.8)):
        anatomy = replace(draw_anatomy(np.random.default_rng(2), 28.0, 80.0), ventricle_scale=scale)
        grid = HeadGrid.around(anatomy, 0.5)
        right = head_labels(anatomy, grid)[grid.shape[0] // 2 + 8 :] == Label.VENTRICLES
        assert right.sum(0).max() * 0.5 == pytest.approx(expected_mm, rel=0.1)
    once, wider = (draw_anatomy(np.random.default_rng(2), 28.0, 80.0, scale) for scale in (1.0, 1.5))
    assert wider.ventricle_scale == pytest.approx(1.5 * once.ventricle_scale)


def test_impossible_heads_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="ventricle_scale is 5"):
        draw_anatomy(rng, 30.0, None, 5.0)
    with pytest.raises(ValueError, match="18 to 42 weeks"):
        draw_anatomy(rng, 50.0)
    with pytest.raises(ValueError, match="brain length is 3"):
        draw_anatomy(rng, 30.0, 3.0)
    with pytest.raises(ValueError, match="spacing is 0"):
        HeadGrid.around(draw_anatomy(rng, 30.0), 0.0)


def test_depth_in_a_box_is_the_depth_in_the_whole_grid() -> None:
    mask = np.zeros((30, 26, 22), bool)
    mask[6:25, 3:20, 0:15] = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((19, 17, 15)), 2) > 0
    assert np.allclose(_depth_mm(mask, 0.5), ndimage.distance_transform_edt(mask) * 0.5 - 0.25)
