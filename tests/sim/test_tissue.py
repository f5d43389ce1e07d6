"""Tissue values: every label known, sources given, variation as asked."""

from __future__ import annotations

import numpy as np
import pytest

from fetalt2prep.sim.anatomy import draw_anatomy
from fetalt2prep.sim.phantom import HeadGrid, Label, head_labels
from fetalt2prep.sim.tissue import draw_texture, read_tissues, tissue_maps


@pytest.mark.parametrize("field_t", [0.55, 1.5, 3.0])
def test_every_label_has_a_tissue_with_a_source(field_t: float) -> None:
    tissues = read_tissues(field_t)
    assert set(tissues) == set(Label) - {Label.EMPTY}
    assert all(tissue.source and tissue.t2_s > 0 and 0 < tissue.m0 <= 1 for tissue in tissues.values())
    assert all(tissue.t1_s > tissue.t2_s for tissue in tissues.values())
    white, grey = tissues[Label.WHITE_MATTER], tissues[Label.CORTICAL_GREY]
    assert white.t2_s > 1.2 * grey.t2_s  # the fetus: unmyelinated white matter is the longer one
    assert tissues[Label.VENTRICLES].t2_s > 1.0


def test_unknown_field_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"7.0 T; tissue.tsv knows 0.55, 1.5, 3 T"):
        read_tissues(7.0)


def test_tissue_follows_gestational_age_and_fluid_does_not() -> None:
    young, table, old = (read_tissues(0.55, age_weeks=age) for age in (22.0, 30.0, 38.0))
    assert read_tissues(0.55) == table
    for label in (Label.WHITE_MATTER, Label.CORTICAL_GREY, Label.DEEP_GREY):
        for name in ("t1_s", "t2_s", "m0"):
            assert getattr(young[label], name) > getattr(table[label], name) > getattr(old[label], name)
    assert old[Label.WHITE_MATTER].t2_s == pytest.approx(0.339 * (1 - 8 * 0.008))
    assert young[Label.VENTRICLES] == old[Label.VENTRICLES]
    with pytest.raises(ValueError, match="holds for 18 to 42 weeks"):
        read_tissues(0.55, age_weeks=60.0)


@pytest.mark.parametrize("field_t", [0.55, 1.5, 3.0])
def test_adults_have_shorter_white_than_grey_matter_and_known_ranges(field_t: float) -> None:
    adult, fetal = read_tissues(field_t, "adult"), read_tissues(field_t)
    white, grey = adult[Label.WHITE_MATTER], adult[Label.CORTICAL_GREY]
    assert white.t2_s < grey.t2_s < fetal[Label.CORTICAL_GREY].t2_s
    assert white.t1_s < grey.t1_s < fetal[Label.CORTICAL_GREY].t1_s
    with pytest.raises(ValueError, match=r"tissue\.tsv knows fetal, adult"):
        read_tissues(field_t, "elderly")


def test_spread_is_about_what_the_table_says() -> None:
    anatomy = draw_anatomy(np.random.default_rng(0), 30.0)
    grid = HeadGrid.around(anatomy, 1.0)
    labels = np.full(grid.shape, int(Label.WHITE_MATTER), np.uint8)
    tissue = read_tissues(0.55)[Label.WHITE_MATTER]
    texture = draw_texture(np.random.default_rng(1), grid)
    t2_s, m0 = tissue_maps(labels, grid, read_tissues(0.55), texture)
    assert np.median(t2_s) == pytest.approx(tissue.t2_s, rel=0.03)
    assert np.std(np.log(t2_s)) == pytest.approx(tissue.t2_spread, rel=0.2)
    assert np.std(np.log(m0)) == pytest.approx(tissue.m0_spread, rel=0.25)
    again, _ = tissue_maps(labels, grid, read_tissues(0.55), texture)
    assert np.array_equal(t2_s, again)


def test_a_label_without_tissue_is_refused() -> None:
    anatomy = draw_anatomy(np.random.default_rng(0), 24.0, 30.0)
    grid = HeadGrid.around(anatomy, 2.0)
    tissues = read_tissues(0.55)
    del tissues[Label.SKULL]
    with pytest.raises(ValueError, match=r"labels \[11\] have no tissue"):
        tissue_maps(head_labels(anatomy, grid), grid, tissues, draw_texture(np.random.default_rng(0), grid))
