"""Pairs for the denoiser: the same seed, the same pair; what is sampled; what is noise and what is signal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fetalt2prep.sim.pairs.acquire import acquire, sampled_lines
from fetalt2prep.sim.pairs.pair import draw_pairs, measure
from fetalt2prep.sim.pairs.plan import CONTRASTS, PARTS, PairOptions, Plan, draw_plan
from fetalt2prep.sim.pairs.pool import pair_pool
from fetalt2prep.sim.pairs.scene import draw_scene

SMALL = PairOptions(n_pixels=64, n_slices=1)
PLAN = Plan(
    contrast="t2", te_s=0.15, snr=20.0, acceleration=1.0, partial_fourier=1.0, n_calibration=20, acquired_share=1.0,
    spacing_s=0.005, voids=False,
)  # fmt: skip


def disc(n: int) -> np.ndarray:
    """A bright disc on a lattice of two points a pixel."""
    axis = np.linspace(-1, 1, 2 * n)
    return (np.hypot(axis[:, None], axis) < 0.6).astype(np.float32)


def seen(plan: Plan, t2_s: float = 0.3, n: int = 64) -> tuple[np.ndarray, np.ndarray]:
    signal = disc(n)
    return acquire(np.random.default_rng(3), plan, signal, np.full_like(signal, t2_s), 1.2, n)


def test_the_same_seed_gives_the_same_pairs_and_the_pool_keeps_them(tmp_path: Path) -> None:
    one = draw_pairs(5, SMALL)
    assert one.tobytes() == draw_pairs(5, SMALL).tobytes() != draw_pairs(6, SMALL).tobytes()
    pool = pair_pool(tmp_path, 2, SMALL, seed=4)
    assert pool.read(1).tobytes() == one.tobytes()
    assert pool.path(1).exists()
    with pytest.raises(ValueError, match="0 to 1"):
        pool.read(2)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("contrast", CONTRASTS)
def test_every_part_and_contrast_can_be_drawn(part: str, contrast: str) -> None:
    pair = draw_pairs(1, replace(SMALL, parts=(part,), contrasts=(contrast,)))[0]
    assert np.isfinite(pair["measured"]).all()
    assert 0.8 < np.percentile(pair["target"].astype(float), 99) < 1.05
    assert pair["error"] > 0
    assert pair["sigma"] > 0


def test_with_all_lines_and_hardly_any_noise_both_images_are_one() -> None:
    measured, target = seen(replace(PLAN, snr=1e6))
    np.testing.assert_allclose(measured, target, atol=1e-4)


@pytest.mark.parametrize("plan", [
    replace(PLAN, acceleration=2.5), replace(PLAN, partial_fourier=0.65),
    replace(PLAN, acceleration=2.0, partial_fourier=0.7, acquired_share=0.8),
])  # fmt: skip
def test_without_noise_sense_and_partial_fourier_come_near_the_target(plan: Plan) -> None:
    measured, target = seen(replace(plan, snr=1e6))
    assert np.sqrt(np.mean((measured - target) ** 2)) < 0.04 * target.max()


def test_the_noise_is_what_the_ratio_says_and_grows_with_acceleration() -> None:
    measured, target = seen(PLAN)
    inside = disc(64)[::2, ::2] > 0
    inside &= target > 0.9 * np.median(target[inside])
    level = target[target > 0.1 * target.max()].mean()
    assert np.std((measured - target)[inside]) == pytest.approx(level / 20, rel=0.1)
    fast, _ = seen(replace(PLAN, acceleration=3.0))
    assert np.std((fast - target)[inside]) > 1.4 * np.std((measured - target)[inside])


def test_magnitudes_of_noise_alone_are_above_zero_and_the_target_is_not() -> None:
    measured, target = seen(replace(PLAN, snr=10.0))
    outside = np.zeros((64, 64), bool)
    outside[:6, :6] = True
    sigma = target[target > 0.1 * target.max()].mean() / 10
    assert measured[outside].mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.15)
    assert target[outside].mean() < 0.2 * sigma


@pytest.mark.parametrize("acceleration", [1.0, 2.0])
def test_partial_fourier_leaves_the_noise_of_a_magnitude(acceleration: float) -> None:
    """Rayleigh where there is no signal: its mean is 0.886 of its root mean square; that of |real part| 0.798."""
    dark = []
    for n in range(4):
        plan = replace(PLAN, snr=10.0, partial_fourier=0.65, acceleration=acceleration)
        measured, _ = acquire(np.random.default_rng(n), plan, disc(64), np.full((128, 128), 0.3, np.float32), 1.2, 64)
        dark.append(np.concatenate([measured[:8].ravel(), measured[-8:].ravel()]))
    values = np.concatenate(dark)
    assert values.mean() / np.sqrt(np.mean(values**2)) == pytest.approx(np.sqrt(np.pi) / 2, abs=0.02)


def test_a_short_t2_blurs_along_the_train() -> None:
    plan = replace(PLAN, snr=1e6, te_s=0.12)
    _, short = seen(plan, 0.04)
    _, long = seen(plan, 1.5)
    steepest = [np.abs(np.diff(image, axis=1)).max() / np.median(image[24:40, 24:40]) for image in (short, long)]
    across = [np.abs(np.diff(image, axis=0)).max() / np.median(image[24:40, 24:40]) for image in (short, long)]
    assert steepest[0] < 0.8 * steepest[1]
    assert across[0] > 0.9 * across[1]


@pytest.mark.parametrize("acceleration", [1.0, 1.5, 2.0, 2.7, 3.0])
def test_lines_are_as_many_as_the_acceleration_says(acceleration: float) -> None:
    lines = sampled_lines(replace(PLAN, acceleration=acceleration, n_calibration=24), 240, 0)
    outside = np.delete(lines, np.arange(120 - 12, 120 + 12))
    assert outside.mean() == pytest.approx(1 / acceleration, rel=0.03)
    assert lines[108:132].all()
    half = sampled_lines(replace(PLAN, acceleration=acceleration, partial_fourier=0.6), 240, 0)
    assert not half[:96].any()


def test_plans_stay_within_what_is_said() -> None:
    rng = np.random.default_rng(0)
    plans = [draw_plan(rng, "brain", "t2") for _ in range(400)]
    still = [p for p in plans if p.snr > 40]
    assert 0.14 < len(still) / len(plans) < 0.26
    assert all(p.acceleration == 1 and p.partial_fourier == 1 for p in still)
    assert all(3 <= p.snr <= 40 and 0.08 <= p.te_s <= 0.7 for p in plans if p.snr <= 40)
    assert max(draw_plan(rng, "knee", "t2").te_s for _ in range(50)) < 0.2
    assert 0.05 < np.mean([p.voids for p in plans]) < 0.16


def test_a_void_is_in_both_images() -> None:
    scene = draw_scene(np.random.default_rng(2), replace(SMALL, parts=("abdomen",)))
    with_void, without = (
        measure(np.random.default_rng(9), scene, 0, replace(PLAN, contrast="pd", snr=100.0, voids=v))[0]
        for v in (True, False)
    )
    lost = without["target"].astype(float) - with_void["target"].astype(float)
    at = np.unravel_index(np.argmax(lost), lost.shape)
    assert lost[at] > 0.2
    assert with_void["measured"][at] == pytest.approx(float(with_void["target"][at]), abs=0.08)


def test_unknown_parts_are_refused() -> None:
    with pytest.raises(ValueError, match="known are brain"):
        PairOptions(parts=("foot",))
