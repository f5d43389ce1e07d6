"""The shipped network: what its card says, what it is worth on slices nobody trained on, and when it is not used."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

import fetalt2prep.io.denoiser as module
from fetalt2prep.core.denoise.nlm import denoise_nlm
from fetalt2prep.core.denoise.noise import estimate_noise_sigma
from fetalt2prep.core.metrics import psnr
from fetalt2prep.io.denoiser import denoise_stack
from fetalt2prep.io.denoiser_weights import load_denoiser, packaged_denoiser
from fetalt2prep.io.weights import card_path, sha256_of
from fetalt2prep.sim.pairs.acquire import acquire
from fetalt2prep.sim.pairs.pair import measure
from fetalt2prep.sim.pairs.plan import PairOptions, Plan
from fetalt2prep.sim.pairs.scene import draw_scene

PLAN = Plan(
    contrast="t2", te_s=0.1, snr=15.0, acceleration=2.0, partial_fourier=1.0, n_calibration=24, acquired_share=1.0,
    spacing_s=0.004, voids=False,
)  # fmt: skip
TE_S, SNR = (0.08, 0.2, 0.4, 0.7), (5.0, 10.0, 20.0, 40.0)


def test_the_packaged_weights_are_what_their_card_says() -> None:
    path = packaged_denoiser()
    card = json.loads(card_path(path).read_text("utf-8"))
    assert card["sha256"] == sha256_of(path)
    assert path.stat().st_size <= 2_000_000
    assert {"what", "data", "script", "command", "options", "ranges", "unseen_simulated_slices", "limits"} <= set(card)
    assert sum(p.numel() for p in load_denoiser(path).parameters()) == pytest.approx(0.5e6, rel=0.1)


@pytest.fixture(scope="module")
def gains() -> dict[tuple[float, float], dict[str, float]]:
    """PSNR gain (dB) of network and non-local means at every echo time and ratio, one slice each that none trained on.

    Accelerations in turn; the noise is estimated from the slice, as in use.
    """
    scene = draw_scene(np.random.default_rng(71), PairOptions(parts=("brain",), n_pixels=96, n_slices=4))
    found = {}
    for k, (te_s, snr) in enumerate(product(TE_S, SNR)):
        plan = replace(PLAN, te_s=te_s, snr=snr, acceleration=(1.0, 1.5, 2.0)[k % 3])
        pair = measure(np.random.default_rng(k), scene, k % 4, plan)[0]
        measured, target = (pair[name].astype(np.float32)[:, :, None] for name in ("measured", "target"))
        before = psnr(target, measured, data_range=1.0)
        found[te_s, snr] = {}
        for name in ("unet", "nlm"):
            denoised = denoise_stack(name, measured, estimate_noise_sigma(measured), None)
            assert denoised.note == ""
            found[te_s, snr][name] = psnr(target, denoised.pixels, data_range=1.0) - before
    return found


@pytest.mark.parametrize(("axis", "value"), [*((0, te_s) for te_s in TE_S), *((1, snr) for snr in SNR)])
def test_at_every_echo_time_and_ratio_the_truth_comes_nearer(
    gains: dict[tuple[float, float], dict[str, float]], axis: int, value: float
) -> None:
    chosen = [gain["unet"] for key, gain in gains.items() if key[axis] == value]
    assert min(chosen) > 0
    assert np.mean(chosen) > 2.0


def test_the_network_gains_four_decibels_and_one_more_than_non_local_means(
    gains: dict[tuple[float, float], dict[str, float]],
) -> None:
    mean = {name: float(np.mean([gain[name] for gain in gains.values()])) for name in ("unet", "nlm")}
    assert mean["unet"] >= 4.0
    assert mean["unet"] >= mean["nlm"] + 1.0


@pytest.mark.parametrize("snr", [40, 20])
def test_t2_of_pure_exponentials_survives(snr: float) -> None:
    """A disc of one T2, each echo with coils, acceleration and noise, denoised by itself.

    At a ratio of 20 the last echo is 4.5 times the noise of one fully sampled channel, and three times that of the
    accelerated image: its floor is 5 % of it.
    """
    axis = np.linspace(-1, 1, 192)
    disc = (np.hypot(axis[:, None], axis) < 0.7).astype(np.float32)
    core = (np.hypot(axis[:, None], axis) < 0.5)[::2, ::2]
    te_s, t2_s = np.array([0.1, 0.2, 0.3]), 0.2
    levels = []
    for n, te in enumerate(te_s):
        decay = float(np.exp(-te / t2_s))
        plan = replace(PLAN, te_s=float(te), snr=snr * decay)
        signal = (disc * decay).astype(np.float32)
        measured, _ = acquire(np.random.default_rng(n), plan, signal, np.full_like(disc, t2_s), 1.2, 96)
        stack = measured[:, :, None]
        found = denoise_stack("unet", stack, estimate_noise_sigma(stack), None)
        assert found.note == ""
        levels.append(np.median(found.pixels[core, 0]))
    slope = np.polyfit(te_s, np.log(levels), 1)[0]
    assert -1 / slope == pytest.approx(t2_s, rel=0.02)


def test_what_the_network_does_not_know_is_left_to_non_local_means() -> None:
    dark = np.random.default_rng(0).rayleigh(5.0, (48, 48, 2)).astype(np.float32)
    found = denoise_stack("unet", dark, 5.0, None)
    assert "signal-to-noise ratio" in found.note
    assert "non-local means" in found.note
    assert found.floor == 5.0
    np.testing.assert_array_equal(found.pixels, denoise_nlm(dark, 5.0, None))


def test_slices_too_small_for_the_network_are_left_to_non_local_means() -> None:
    thin = np.random.default_rng(0).normal(100, 5, (20, 64, 1)).astype(np.float32)
    found = denoise_stack("unet", thin, 5.0, None)
    assert found.note == (
        "non-local means in each slice in place of the network: slices of 20 x 64 pixels; the network knows 32 to 1024"
    )
    np.testing.assert_array_equal(found.pixels, denoise_nlm(thin, 5.0, None))


def test_without_weights_non_local_means_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "packaged_denoiser", lambda: tmp_path / "none.safetensors")
    bright = np.random.default_rng(0).normal(100, 5, (40, 40, 1)).astype(np.float32)
    found = denoise_stack("unet", bright, 5.0, None)
    assert "no weights" in found.note
    np.testing.assert_array_equal(found.pixels, denoise_nlm(bright, 5.0, None))


def test_other_weights_bring_their_own_ranges(tmp_path: Path) -> None:
    path = Path(shutil.copy(packaged_denoiser(), tmp_path))
    card = json.loads(card_path(packaged_denoiser()).read_text("utf-8")) | {"ranges": {"snr": [30, 50]}}
    card_path(path).write_text(json.dumps(card))
    bright = np.random.default_rng(0).normal(100, 5, (40, 40, 1)).astype(np.float32)
    assert denoise_stack("unet", bright, 5.0, None).note == ""
    assert "30 to 50" in denoise_stack("unet", bright, 5.0, None, path).note


def test_a_gain_goes_through_and_slices_stay_apart() -> None:
    rng = np.random.default_rng(1)
    stack = np.abs(rng.normal(100, 8, (97, 131, 2))).astype(np.float32)
    stack[10:20, 12:30] += 60
    one = denoise_stack("unet", stack, 8.0, None).pixels
    for gain in (1e-3, 0.37, 812.0):
        scaled = denoise_stack("unet", np.float32(gain) * stack, gain * 8.0, None).pixels
        np.testing.assert_allclose(scaled / np.float32(gain), one, rtol=0, atol=1e-5 * float(stack.max()))
    np.testing.assert_array_equal(denoise_stack("unet", stack[:, :, :1], 8.0, None).pixels, one[:, :, :1])
    assert one.std() < stack.std()


def test_a_whole_stack_takes_less_than_eight_seconds_of_two_cores() -> None:
    """320 x 320 pixels in 22 slices: processor time of two of them, the better of two tries."""
    slices = np.random.default_rng(2).normal(100, 8, (320, 320, 2)).astype(np.float32)
    denoise_stack("unet", slices[:64, :64], 8.0, None)  # weights are read once
    seconds = []
    for _ in range(2):
        began = time.process_time()
        assert denoise_stack("unet", slices, 8.0, None).note == ""
        seconds.append(time.process_time() - began)
    assert min(seconds) * 22 / 2 < 8.0 * 2


@pytest.mark.shared
@pytest.mark.parametrize("run", [1, 3, 5])
def test_real_slices_lose_noise_and_keep_their_mean(shared: Path, run: int) -> None:
    """HASTE of a whole uterus: what is taken from the head is smaller than the noise, and mostly not its structure."""
    stem = shared / "data" / "fetal-haste-mialsrtk" / f"sub-01_run-{run}_T2w"
    pixels = nib.load(f"{stem}.nii.gz").get_fdata(dtype=np.float32)
    mask = nib.load(f"{stem}_desc-brain_mask.nii.gz").get_fdata() > 0
    sigma = estimate_noise_sigma(pixels, mask)
    found = denoise_stack("unet", pixels, sigma, mask)
    assert found.note == ""
    assert estimate_noise_sigma(found.pixels, mask) < 0.85 * sigma
    assert found.pixels[mask].mean() == pytest.approx(pixels[mask].mean(), rel=2e-3)
    taken = pixels - found.pixels
    assert 0 < taken[mask].std() < sigma
    fine = found.pixels - ndimage.uniform_filter(found.pixels, (5, 5, 1))
    assert np.corrcoef(taken[mask], fine[mask])[0, 1] < 0.4
