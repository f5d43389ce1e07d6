from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from fetalt2prep.cli.main import run
from fetalt2prep.core.mask.train import TrainOptions, n_available, soft_dice
from fetalt2prep.io.mask_weights import load_mask_net, packaged_weights
from fetalt2prep.io.weights import card_path, sha256_of


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("train")
    assert run(["train-mask", str(out), "--smoke"]) == 0
    return out


def test_a_smoke_run_writes_weights_and_a_card(trained: Path) -> None:
    weights = trained / "brain_mask.safetensors"
    card = json.loads((trained / "brain_mask.json").read_text())
    assert card["sha256"] == sha256_of(weights)
    assert card["bytes"] == weights.stat().st_size < 8e6
    assert card["options"]["n_steps"] == 4
    assert card["command"] == "smoke run"
    assert 0 <= card["unseen_synthetic_stacks"]["dice_median"] <= 1
    with torch.no_grad():
        assert load_mask_net(weights)(torch.zeros(1, 3, 16, 16)).shape == (1, 16, 16)


def test_the_same_seed_gives_the_same_weights_and_a_finished_run_is_not_repeated(trained: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    shutil.copytree(trained / "pictures", again / "pictures")
    assert run(["train-mask", str(again), "--smoke"]) == 0
    assert sha256_of(again / "brain_mask.safetensors") == sha256_of(trained / "brain_mask.safetensors")
    stamp = (again / "checkpoint.pt").stat().st_mtime_ns
    assert run(["train-mask", str(again), "--smoke"]) == 0
    assert (again / "checkpoint.pt").stat().st_mtime_ns == stamp


def test_a_checkpoint_of_other_options_is_refused(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train-mask", str(trained), "--smoke", "--seed", "1"]) == 1
    assert "other options" in capsys.readouterr().err


def test_training_can_begin_with_weights(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "pictures", tmp_path / "pictures")
    start = trained / "brain_mask.safetensors"
    assert run(["train-mask", str(tmp_path), "--smoke", "--start-from", str(start)]) == 0
    assert json.loads((tmp_path / "brain_mask.json").read_text())["started_from"] == "brain_mask.safetensors"
    assert sha256_of(tmp_path / "brain_mask.safetensors") != sha256_of(start)


def test_the_packaged_weights_are_what_their_card_says() -> None:
    path = packaged_weights()
    card = json.loads(card_path(path).read_text("utf-8"))
    assert card["sha256"] == sha256_of(path)
    assert path.stat().st_size < 8e6
    assert {"what", "data", "script", "command", "options", "unseen_synthetic_stacks", "limits"} <= set(card)
    load_mask_net(path)


def test_pictures_join_evenly_until_all_are_there() -> None:
    options = TrainOptions(n_steps=100, n_pictures=50, n_first=10)
    joined = [n_available(options, step) for step in range(101)]
    assert (joined[0], joined[-1]) == (10, 50)
    assert joined == sorted(joined)


def test_soft_dice_by_hand() -> None:
    target = torch.zeros(1, 2, 2)
    target[0, 0] = 1
    assert float(soft_dice(40 * (2 * target - 1), target)) == pytest.approx(1.0)
    assert float(soft_dice(-40 * (2 * target - 1), target)) == pytest.approx(1 / 5)


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="n_steps is 0"):
        TrainOptions(n_steps=0)
    assert np.isfinite(TrainOptions().learning_rate)
