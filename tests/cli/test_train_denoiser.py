from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fetalt2prep.cli.main import run
from fetalt2prep.core.denoise.unet.loss import cascade_loss
from fetalt2prep.core.denoise.unet.train import DenoiserTraining, TrainOptions, draw_batch, gain_db
from fetalt2prep.core.fit import fit
from fetalt2prep.io.denoiser_weights import load_denoiser
from fetalt2prep.io.weights import sha256_of
from fetalt2prep.sim.pairs.pair import pair_dtype


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("train")
    assert run(["train-denoiser", str(out), "--profile", "smoke"]) == 0
    return out


def test_a_smoke_run_writes_weights_card_and_curve(trained: Path) -> None:
    weights = trained / "denoiser.safetensors"
    card = json.loads((trained / "denoiser.json").read_text())
    assert card["sha256"] == sha256_of(weights)
    assert card["options"]["n_steps"] == 3
    assert card["ranges"]["snr"] == [3.0, 200.0]
    assert card["unseen_simulated_slices"]["n_slices"] >= 0
    found = load_denoiser(weights)(torch.ones(1, 1, 9, 11), torch.tensor([0.1]))
    assert found[-1].shape == (1, 1, 9, 11)
    with Image.open(trained / "denoiser_training.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 5


def test_a_smoke_run_on_the_device(device: str, tmp_path: Path) -> None:
    assert run(["train-denoiser", str(tmp_path), "--profile", "smoke", "--device", device]) == 0
    assert json.loads((tmp_path / "denoiser.json").read_text())["options"]["device"] == device
    assert load_denoiser(tmp_path / "denoiser.safetensors")(torch.ones(1, 1, 9, 11), torch.tensor([0.1]))


def test_a_run_that_was_interrupted_ends_with_the_same_weights(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = tmp_path / "again"
    shutil.copytree(trained / "pairs", again / "pairs")
    monkeypatch.setattr("fetalt2prep.cli.training.CHUNK", 1)
    stopped = pytest.MonkeyPatch()
    calls: list[int] = []

    def interrupt(*_: object) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    stopped.setattr("fetalt2prep.cli.progress_bar.ProgressBar.__call__", interrupt)
    assert run(["train-denoiser", str(again), "--profile", "smoke"]) == 130
    stopped.undo()
    assert (again / "checkpoint.pt").exists()
    assert run(["train-denoiser", str(again), "--profile", "smoke"]) == 0
    assert sha256_of(again / "denoiser.safetensors") == sha256_of(trained / "denoiser.safetensors")


def test_a_checkpoint_of_other_options_is_refused(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train-denoiser", str(trained), "--profile", "smoke", "--seed", "1"]) == 1
    assert "other options" in capsys.readouterr().err


def test_unknown_parts_and_rates_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train-denoiser", str(tmp_path), "--profile", "smoke", "--parts", "foot"]) == 1
    assert "known are brain" in capsys.readouterr().err
    with pytest.raises(ValueError, match="single_share is 2"):
        TrainOptions(single_share=2)


def test_batches_show_the_same_part_of_both_images_and_depend_on_seed_and_step_alone() -> None:
    pairs = np.zeros(2, pair_dtype(64))
    pairs["target"] = np.random.default_rng(0).uniform(0, 1, (2, 64, 64))
    pairs["measured"], pairs["sigma"], pairs["error"] = pairs["target"], 0.1, 0.2
    options = TrainOptions(crop=32, batch_size=40, n_scenes=1, n_first=1)
    measured, target, sigma, weight = draw_batch(options, lambda n: pairs, 5)
    assert measured.shape == (40, 1, 32, 32)
    torch.testing.assert_close(measured, target)
    assert {round(float(s), 1) for s in sigma} == {0.1, 0.2}
    torch.testing.assert_close(weight, torch.full((40,), 0.5))
    again = draw_batch(options, lambda n: pairs, 5)
    assert torch.equal(again[0], measured)
    assert not torch.equal(draw_batch(options, lambda n: pairs, 6)[0], measured)
    with pytest.raises(ValueError, match="smaller than the crop"):
        draw_batch(TrainOptions(crop=80, n_scenes=1, n_first=1), lambda n: pairs, 0)


def test_one_stage_is_trained_first_then_all(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = np.zeros(2, pair_dtype(40))
    pairs["target"] = np.random.default_rng(0).uniform(0.2, 1, (2, 40, 40))
    pairs["measured"], pairs["sigma"], pairs["error"] = pairs["target"] + 0.1, 0.1, 0.1
    stages: list[int] = []

    def counted(target: torch.Tensor, found: list[torch.Tensor], n_stages: int, *more: object) -> torch.Tensor:
        stages.append(n_stages)
        assert len(found) == 2 * n_stages
        return cascade_loss(target, found, n_stages)

    monkeypatch.setattr("fetalt2prep.core.denoise.unet.train.cascade_loss", counted)
    options = TrainOptions(
        n_steps=4, batch_size=2, crop=32, widths=(4, 8), n_scenes=1, n_first=1, single_share=0.5, warm_up=1
    )
    network = fit(DenoiserTraining(options, lambda n: pairs), options.n_steps).state.network
    assert stages == [1, 1, 2, 2]
    assert network.n_stages == 2
    assert not torch.equal(network.residual.head.weight, torch.zeros_like(network.residual.head.weight))


def test_a_tenth_of_the_error_is_twenty_decibels() -> None:
    target = torch.zeros(1, 1, 4, 4)
    assert float(gain_db(target, target + 1, target + 0.1)) == pytest.approx(20, abs=1e-4)
