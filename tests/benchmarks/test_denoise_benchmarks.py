"""The benchmarks of the denoisers: measures with known answers, and tables that pair what belongs together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage

from benchmarks import denoisers_page
from benchmarks.denoise_checks import T2_S, floor, lesion, t2_through
from benchmarks.denoise_left_out import key_of
from benchmarks.denoise_network import ROI, anatomy_in, neighbours_alike, plans, regions
from benchmarks.denoise_page import left_out, plain
from benchmarks.denoisers import TEN
from benchmarks.dncnn import DnCnn


def white(seed: int = 0, n: int = 120) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, n)).astype(np.float32)


def test_white_noise_has_no_neighbours_and_what_was_smoothed_has() -> None:
    inside = np.ones((120, 120), bool)
    assert abs(neighbours_alike(white(), inside)) < 0.02
    pairs = (white() + np.roll(white(), 1, 0) + np.roll(white(), 1, 1)) / 3
    assert neighbours_alike(pairs, inside) == pytest.approx(1 / 3, abs=0.03)


def test_anatomy_in_a_residual_is_seen_and_noise_is_none() -> None:
    inside, target = np.ones((120, 120), bool), ndimage.gaussian_filter(white(1), 1.5)
    lost = target - ndimage.gaussian_filter(target, 1.0)
    assert anatomy_in(lost, target, inside) > 0.8
    assert abs(anatomy_in(white(2), target, inside)) < 0.03


def test_the_two_regions_are_flat_and_differ() -> None:
    target = np.full((60, 60), 0.4, np.float32) + 0.1 * white(3, 60)
    target[8:20, 8:20], target[32:50, 36:52] = 0.3, 0.9
    dark, bright = regions(target)
    assert target[dark].shape == target[bright].shape == (ROI, ROI)
    assert target[dark].std() < 1e-6 > target[bright].std()
    assert (target[dark].mean(), target[bright].mean()) == pytest.approx((0.3, 0.9))


def test_every_echo_time_meets_every_ratio_twice() -> None:
    cells = [(plan.te_s, plan.snr) for _, plan in plans()]
    assert len(cells) == 2 * len(set(cells)) == 40
    assert {plan.acceleration for _, plan in plans()} == {1.0, 1.5, 2.0, 3.0}


@pytest.mark.parametrize("change", [0.3, -0.3])
def test_the_network_follows_a_lesion(change: float) -> None:
    """Put in or taken out: nearly all of it is seen, and without a denoiser all."""
    assert lesion("none", change, 6.0, 15.0, 0, None) == pytest.approx(1.0, abs=0.03)
    assert 0.85 < lesion("unet", change, 6.0, 15.0, 0, None) < 1.1


def test_t2_of_exponentials_is_biased_by_the_floor_and_not_by_the_network() -> None:
    off = {m: [row["t2_s"] / row["ideal_s"] - 1 for row in t2_through(m, 20.0, 2.0, None)] for m in ("none", "unet")}
    assert len(off["none"]) == len(T2_S)
    assert off["none"][0] > 0.1
    assert max(np.abs(off["unet"])) < 0.02


def test_the_floor_is_that_of_a_magnitude() -> None:
    """Signal of 1.5 and 10 times the noise: the mean of a Rician variable is 0.39 and 0.05 of the noise higher."""
    found = {row["level"]: row["off"] for row in floor("none", "magnitude", None)}
    assert found[1.5] == pytest.approx(0.39, abs=0.05)
    assert found[10.0] == pytest.approx(0.05, abs=0.05)


def test_dncnn_is_called_like_the_cascade_and_is_homogeneous() -> None:
    torch.manual_seed(0)
    network, image, sigma = DnCnn(), torch.rand(2, 1, 21, 34), torch.tensor([0.1, 0.2])
    torch.testing.assert_close(network(image, sigma)[-1], image)  # untrained, it changes nothing
    torch.nn.init.normal_(network.layers[-1].weight, std=0.1)
    one = network(image, sigma)[-1]
    assert not torch.allclose(one, image, atol=1e-3)
    torch.testing.assert_close(network(37 * image, 37 * sigma)[-1] / 37, one, rtol=1e-5, atol=1e-5)


def row(case: str, name: str, wm: float, gm: float) -> dict[str, Any]:
    return {"case": case, "stacks": 3, "denoise": name, "bias": "n4", "wm": wm, "gm": gm, "ssim": [0.9, 0.8, 0.7],
            "denoise_cpu_s": 0.5}  # fmt: skip


def test_differences_are_paired_and_what_was_run_in_part_is_not_ranked() -> None:
    cases = list(TEN)[:3]
    rows = [row(case, "nlm", 20.0 + n, 40.0 + n) for n, case in enumerate(cases)]
    rows += [row(case, "unet", 19.0 + n, 39.0 + n + 3 * (n == 2)) for n, case in enumerate(cases)]
    rows += [row(cases[0], "tv", 1.0, 1.0), row("ga24", "unet", 99.0, 99.0)]
    lines = denoisers_page.ranked(rows).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("| `nlm` | 3 | 21.00 / 41.00 | 31.00 |  |  | 1 | 0.8000 |")
    # -1, -1, +0.5: mean -0.5, standard error 0.5
    assert lines[3].startswith("| `unet` | 3 | 20.00 / 41.00 | 30.50 | -0.50 (0.50) | 2 of 3 | 2 |")
    assert "1.0 / 1.0" in denoisers_page.each(rows)
    assert "ga24" not in denoisers_page.each(rows)


def test_what_is_lost_is_the_same_less_the_others_over_the_seeds_that_have_both() -> None:
    scores = {"psnr_in": 30.0, "ssim_in": 0.6, "psnr": 33.0, "ssim": 0.8, "steps": 700, "scenes": 32}
    rows = {
        key_of(name, label, seed): scores | {"seed": seed, "psnr": psnr}
        for name, label, seed, psnr in (
            ("part knee", "others", 0, 33.0), ("part knee", "same", 0, 33.5),
            ("part knee", "others", 1, 33.2), ("part knee", "same", 1, 33.1),
            ("part knee", "others", 2, 39.0), ("part spine", "same", 0, 33.0),
        )
    }  # fmt: skip
    rows[key_of("part knee", "others", 3)] = rows[key_of("part knee", "same", 3)] = scores | {"seed": 3, "steps": 250}
    lines = left_out(rows).splitlines()
    assert len(lines) == 3
    assert lines[2].startswith(
        "| part knee | 0.600 / 30.00 | 0.800 / 33.10 | 0.800 / 33.30 | +0.20 | +0.50, -0.10 | 700, 32 | knee: 37.97"
    )


def test_a_plain_network_has_a_line_of_its_own() -> None:
    scores = {"network": "dncnn", "n_weights": 84000, "steps": 1000, "learning_rate": 2e-3, "train_cpu_s": 700.4,
              "gain_db_mean": 5.5, "gain_db_least": -0.1, "gain_db_mean_almost_without_noise": 0.4, "ssim": 0.8,
              "slice_cpu_s": 0.21}  # fmt: skip
    assert plain({"a": scores}).splitlines()[2].startswith("| DnCNN | 0.08 million | 1000 | 0.002 | 700 | +5.50 |")
