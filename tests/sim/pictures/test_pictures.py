from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from fetalt2prep.sim.phantom import LAST_BRAIN_LABEL, Label
from fetalt2prep.sim.pictures.head import draw_head, paint_head
from fetalt2prep.sim.pictures.noise_field import draw_partition, draw_smooth
from fetalt2prep.sim.pictures.picture import draw_picture
from fetalt2prep.sim.pictures.place import Lattice, draw_rotation
from fetalt2prep.sim.pictures.pool import PicturePool
from fetalt2prep.sim.pictures.tissues import draw_levels
from fetalt2prep.sim.pictures.womb import draw_womb

LATTICE = Lattice(shape=(64, 60, 48), spacing_mm=(3.0, 3.0, 3.0))


def test_the_same_number_gives_the_same_picture_and_another_another() -> None:
    small = {"n_pixels": 64, "n_slices": 8}
    first, again, other = (draw_picture(seed, **small) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.pixels, again.pixels)
    np.testing.assert_array_equal(first.target, again.target)
    assert first.pixels.shape == first.target.shape == (8, 64, 64)
    assert not np.array_equal(first.pixels, other.pixels)


def test_pictures_are_finite_bright_at_one_and_mostly_without_brain() -> None:
    pictures = [draw_picture(seed, n_pixels=64, n_slices=8) for seed in range(12)]
    for picture in pictures:
        pixels = picture.pixels.astype(np.float32)
        assert np.isfinite(pixels).all()
        assert pixels.min() >= 0
        assert np.percentile(pixels, 99) == pytest.approx(1.0, abs=0.01)
    share = np.mean([picture.target.mean() / 255 for picture in pictures])
    assert 0.003 < share < 0.3
    assert any(picture.target.max() == 255 for picture in pictures)


def test_the_painted_head_has_the_volume_of_its_labels() -> None:
    rng = np.random.default_rng(2)
    head = draw_head(rng, np.zeros(3))
    while head.semi_mm.max() > 33:  # one that is wholly in view
        head = draw_head(rng, np.zeros(3))
    out = np.zeros(LATTICE.shape, np.uint8)
    paint_head(rng, head, LATTICE, 2, out)
    painted = ((out > 0) & (out <= LAST_BRAIN_LABEL)).sum() * np.prod(LATTICE.spacing_mm)
    drawn = ((head.labels > 0) & (head.labels <= LAST_BRAIN_LABEL)).sum() * head.grid.spacing_mm**3
    assert painted == pytest.approx(drawn, rel=0.08)


def dry_share(labels: np.ndarray) -> float:
    """Of the voxels of brain that touch the skull, the share that is no fluid."""
    at_skull = ndimage.binary_dilation(labels == Label.SKULL) & (labels > 0) & (labels <= LAST_BRAIN_LABEL)
    return float((labels[at_skull] != Label.EXTRA_AXIAL_CSF).mean())


def test_in_some_heads_cortex_lies_against_the_skull_and_in_others_fluid() -> None:
    shares = [dry_share(draw_head(np.random.default_rng(seed), np.zeros(3)).labels) for seed in range(10)]
    assert max(shares) > 0.4
    assert min(shares) < 0.15


def test_the_womb_holds_no_brain() -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        labels = draw_womb(rng, LATTICE, draw_head(rng, np.zeros(3)) if seed % 2 else None)
        assert labels.shape == LATTICE.shape
        assert not ((labels > 0) & (labels < Label.AMNIOTIC_FLUID)).any()
        assert len(np.unique(labels)) > 1


def test_smooth_fields_have_unit_variance_and_are_smooth() -> None:
    rng = np.random.default_rng(0)
    field = draw_smooth(rng, (80, 80, 40), (2.0, 2.0, 2.0), 12.0)
    assert 0.6 < field.std() < 1.4
    assert np.abs(np.diff(field, axis=0)).mean() < 0.5 * field.std()
    parts = draw_partition(rng, (80, 80, 40), (2.0, 2.0, 2.0), 12.0, 6)
    assert parts.max() < 6
    assert len(np.unique(parts)) >= 4


def test_rotations_keep_lengths_and_hands() -> None:
    turn = draw_rotation(np.random.default_rng(5))
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1.0)


def test_levels_are_positive_and_air_is_dark() -> None:
    for seed in range(20):
        levels = draw_levels(np.random.default_rng(seed))
        assert levels[Label.EMPTY] == 0
        assert (levels[1:] >= 0).all()
        assert np.isfinite(levels).all()


def test_the_pool_draws_once_and_refuses_numbers_it_does_not_hold(tmp_path: Path) -> None:
    with PicturePool(tmp_path, 1, seed=7) as pool:
        first = np.array(pool.read(0))
        stamp = pool.path(0).stat().st_mtime_ns
        np.testing.assert_array_equal(pool.read(0), first)
        assert pool.path(0).stat().st_mtime_ns == stamp
        assert first.shape[0] == 2
        assert first[1].max() <= 1
        with pytest.raises(ValueError, match="the pool holds 0 to 0"):
            pool.read(1)
    assert [path.name for path in tmp_path.iterdir()] == ["picture_seed-0000007.npy"]
