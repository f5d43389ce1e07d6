"""Binning readouts into frames, and the way from frames to a series: whitening, compression, maps, times."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from fetalt2prep.cli.simulate_kt import raw_of
from fetalt2prep.core.fourier_op import MaskedFft, Nufft, fft2c
from fetalt2prep.core.kt.frames import Readouts, bin_for_fit, bin_frames, without_oversampling
from fetalt2prep.core.kt.options import KtOptions
from fetalt2prep.core.kt.recon import METHODS, KtPlan, between, place_in_time, reconstruct_series
from fetalt2prep.sim.dynamic_scan import DynamicOptions, simulate_dynamic


@pytest.fixture(scope="module")
def readouts(cine: Any) -> Readouts:
    return raw_of(cine.scan).readouts


@pytest.fixture(scope="module")
def lines() -> Readouts:
    options = DynamicOptions(n=24, n_frames=3, n_coils=3, sampling="cartesian", readouts_per_frame=9, snr=1e6)
    return raw_of(simulate_dynamic(options, 1)).readouts


def test_frames_as_the_scanner_counted_hold_its_samples(readouts: Readouts, cine: Any) -> None:
    frames = bin_frames(readouts, 0)
    assert torch.equal(frames.samples, cine.samples)
    assert isinstance(frames.fourier, Nufft)
    assert frames.acceleration == pytest.approx(1.5708 * 32 / 5, rel=1e-3)
    assert frames.times_s.diff().tolist() == pytest.approx([0.05] * 7)


def test_readouts_left_over_are_told(readouts: Readouts) -> None:
    frames = bin_frames(readouts, 0, per_frame=6)
    assert frames.samples.shape[0] == 6
    assert frames.notes == ("4 of 40 readouts at the end fill no frame and are not used",)
    assert bin_frames(readouts, 0, n_frames=4).samples.shape[2] == 10 * 64


def test_frames_of_unequal_length_use_what_all_have(readouts: Readouts) -> None:
    assert readouts.frame_idx is not None
    counted = readouts.frame_idx.clone()
    counted[4] = 1
    frames = bin_frames(replace(readouts, frame_idx=counted), 0)
    assert frames.samples.shape[2] == 4 * 64
    assert "4 to 6 spokes" in frames.notes[0]


def test_what_makes_no_frames_is_refused(readouts: Readouts) -> None:
    assert readouts.frame_idx is not None
    with pytest.raises(ValueError, match=r"do not count frames.*--frames"):
        bin_frames(replace(readouts, frame_idx=None), 0)
    with pytest.raises(ValueError, match="a frame would be empty"):
        bin_frames(readouts, 0, n_frames=41)
    with pytest.raises(ValueError, match="frame 3 of 8 is empty"):
        bin_frames(replace(readouts, frame_idx=readouts.frame_idx.where(readouts.frame_idx != 3, 4)), 0)
    with pytest.raises(ValueError, match=r"slice 2 has no readout; there are slices \[0\]"):
        bin_frames(readouts, 2)
    with pytest.raises(ValueError, match="not both"):
        bin_frames(readouts, 0, n_frames=2, per_frame=2)
    with pytest.raises(ValueError, match="trajectory"):
        replace(readouts, k_per_pixel=None)
    with pytest.raises(ValueError, match="noise has 3 coils, the samples have 4"):
        replace(readouts, noise=torch.zeros(3, 10, dtype=torch.complex64))


def test_cartesian_lines_lie_where_they_were_measured(lines: Readouts) -> None:
    frames = bin_frames(lines, 0)
    assert isinstance(frames.fourier, MaskedFft)
    assert lines.line_idx is not None
    assert torch.equal(frames.fourier.mask[1, :, 0].nonzero()[:, 0], lines.line_idx[9:18].sort().values)
    assert torch.equal(frames.samples[1][:, lines.line_idx[9]], lines.samples[9])
    assert frames.acceleration == pytest.approx(24 / 9)
    twice = replace(lines, frame_idx=torch.zeros(27, dtype=torch.long))
    line = int(lines.line_idx[0])
    mine = lines.samples[lines.line_idx == line].mean(0)
    assert torch.allclose(bin_frames(twice, 0).samples[0][:, line], mine)


def test_oversampling_is_removed_and_the_image_stays() -> None:
    image = torch.zeros(1, 1, 1, 32, dtype=torch.complex64)
    image[..., 12:20] = torch.randn(8, dtype=torch.complex64)
    inner = without_oversampling(fft2c(image), 16)
    assert torch.allclose(inner, fft2c(image[..., 8:24]), atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_frames(lines: Readouts, method: str) -> None:
    plan = KtPlan(method=method, n_coils=2, n_steps=4, inr=KtOptions(n_steps=10))
    series = reconstruct_series(bin_frames(lines, 0), plan, noise=lines.noise)
    assert series.frames.shape == (3, 24, 24)
    assert series.maps.shape == (2, 24, 24)
    assert bool(torch.isfinite(series.frames.abs()).all())
    assert (len(series.losses) > 0) == (method != "adjoint")


def test_plans_that_cannot_be_carried_out_are_refused() -> None:
    with pytest.raises(ValueError, match="n_steps is 0; it must be 1 or more"):
        KtPlan(method="grasp", n_steps=0)
    with pytest.raises(ValueError, match="grasp_weight is -1; it must be 0 or more"):
        KtPlan(method="grasp", grasp_weight=-1)


def test_time_is_interpolated_by_the_field_alone(readouts: Readouts) -> None:
    frames = bin_frames(readouts, 0)
    series = reconstruct_series(frames, KtPlan(interpolate_time=2, inr=KtOptions(n_steps=3)))
    assert series.frames.shape == (15, 32, 32)
    assert series.times_s[::2].tolist() == pytest.approx(frames.times_s.tolist())
    assert between(torch.tensor([0.0, 1.0, 3.0]), 2).tolist() == [0.0, 0.5, 1.0, 2.0, 3.0]
    with pytest.raises(ValueError, match="only inr knows"):
        KtPlan(method="grasp", interpolate_time=2)


def test_a_field_fitted_to_parts_of_frames_gives_the_frames_asked_for(readouts: Readouts) -> None:
    asked_s = bin_frames(readouts, 0).times_s
    parts = bin_for_fit(readouts, 0, 2)
    assert len(parts.times_s) == 20
    plan = KtPlan(interpolate_time=2, inr=KtOptions(n_steps=3))
    series = reconstruct_series(parts, plan, at_s=asked_s)
    assert series.frames.shape == (15, 32, 32)
    assert series.times_s[::2].tolist() == pytest.approx(asked_s.tolist())
    assert series.fitted is not None
    assert len(series.fitted.frames) == 20
    with pytest.raises(ValueError, match="only inr can be asked"):
        reconstruct_series(parts, KtPlan(method="grasp"), at_s=asked_s)


def test_places_between_frames_follow_their_times() -> None:
    found = place_in_time(torch.tensor([0.0, 1.0, 2.0, 4.0]), torch.tensor([1.0, 3.0, 4.0]))
    assert found.tolist() == [0.0, 0.0, 0.5, 2.0]


def test_parts_of_frames_with_a_pause_inside_are_refused(readouts: Readouts) -> None:
    paused = replace(readouts, times_s=readouts.times_s + (torch.arange(40) // 5) * 0.3)
    assert len(bin_for_fit(paused, 0, 5).times_s) == 8
    with pytest.raises(ValueError, match="where the scanner paused"):
        bin_for_fit(paused, 0, 2)


def test_maps_of_your_own_are_for_the_coils_as_measured(readouts: Readouts, cine: Any) -> None:
    frames = bin_frames(readouts, 0)
    plan = KtPlan(method="adjoint")
    series = reconstruct_series(frames, plan, maps=cine.scan.maps)
    assert cine.psnr(series.frames) > 15
    with pytest.raises(ValueError, match="coil maps of your own"):
        reconstruct_series(frames, plan, maps=cine.scan.maps, noise=readouts.noise)
    with pytest.raises(ValueError, match="4 coils, the maps 3"):
        reconstruct_series(frames, plan, maps=cine.scan.maps[:3])
