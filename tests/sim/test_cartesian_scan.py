"""Simulated undersampled slices: which lines, how much noise, and that all of it is what the options say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fetalt2prep.core.fourier_op import ifft2c
from fetalt2prep.core.kt.frames import without_oversampling
from fetalt2prep.sim.cartesian_scan import CartesianOptions, chosen_lines, simulate_cartesian

FULL = CartesianOptions(shape=(33, 24), n_coils=4, acceleration=1, n_calibration=0, snr=float("inf"))


def test_fully_sampled_without_noise_it_is_the_truth() -> None:
    """Root sum of squares of the coils, up to the truncation of their products with the object."""
    scan = simulate_cartesian(FULL, 1)
    images = ifft2c(without_oversampling(scan.samples[0], 24))
    found, truth = torch.linalg.vector_norm(images, dim=0), scan.truth[0].abs()
    inside = truth > 0.3 * truth.max()
    assert float((found - truth)[inside].norm() / truth[inside].norm()) < 0.02


def test_noise_is_as_strong_as_asked_and_unlike_in_the_coils() -> None:
    options = replace(FULL, snr=10, n_coils=8, noise_readouts=400)
    scan = simulate_cartesian(options, 1)
    truth = scan.truth[0].abs()
    mean = float(truth[truth > 0.1 * truth.max()].mean())
    power = scan.noise.abs().square().mean(1)
    assert float(power.mean() / 2) ** 0.5 == pytest.approx(mean / 10, rel=0.03)
    assert float(power.max() / power.min()) > 2
    covariance = scan.noise @ scan.noise.mH / scan.noise.shape[1]
    shared = covariance[0, 1].abs() / (covariance[0, 0] * covariance[1, 1]).abs().sqrt()
    assert float(shared) > 0.02
    added = scan.samples - simulate_cartesian(replace(options, snr=float("inf")), 1).samples
    assert float(added.abs().square().mean() / power.mean()) == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("acceleration", [1, 2, 3])
def test_lines(acceleration: int) -> None:
    options = replace(FULL, shape=(64, 24), acceleration=acceleration, n_calibration=12, partial_fourier=0.75)
    lines, calibration = chosen_lines(options)
    assert lines.min() >= 16
    assert 32 in lines
    assert lines[calibration].tolist() == list(range(26, 38))
    outside = np.diff(lines[lines >= 38])
    assert set(outside.tolist()) == {acceleration}


def test_the_same_seed_gives_the_same_scan() -> None:
    options = replace(FULL, snr=20, n_slices=2)
    one, same, other = (simulate_cartesian(options, seed) for seed in (1, 1, 2))
    assert torch.equal(one.samples, same.samples)
    assert not torch.equal(one.samples, other.samples)
    assert options.heights_mm == [-2, 2]


@pytest.mark.parametrize(
    "wrong",
    [
        {"scene": "knee"},
        {"partial_fourier": 0.5},
        {"snr": 0.0},
        {"n_coils": 0},
        {"shape": (4, 64)},
        {"n_calibration": -1},
    ],
)
def test_impossible_options_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=str(next(iter(wrong.values()))).replace("(", r"\(").replace(")", r"\)")):
        CartesianOptions(**wrong)  # type: ignore[arg-type]
