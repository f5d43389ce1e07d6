"""Training of the network of guided super-resolution, in seconds; and the weights in the package."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from fetalt2prep.cli.main import run
from fetalt2prep.io.guided_weights import load_guided_net, packaged_guided_net
from fetalt2prep.io.weights import card_path, sha256_of


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("guided")
    assert run(["train-guided", str(out), "--smoke", "--without-anchor"]) == 0
    return out


def test_a_smoke_run_writes_weights_a_card_and_a_curve(trained: Path) -> None:
    weights = trained / "guided.safetensors"
    card = json.loads(card_path(weights).read_text("utf-8"))
    assert card["sha256"] == sha256_of(weights)
    assert card["options"]["switches"] == {"maps": True, "anchor": False}
    assert [row["factor"] for row in card["unseen_simulated_heads"]] == [2, 4]
    assert (trained / "guided_training.png").stat().st_size > 1000
    network, switches = load_guided_net(weights)
    assert (network.width, network.n_blocks) == (4, 1)
    assert (switches.maps, switches.anchor) == (True, False)


def test_a_finished_run_is_not_repeated_and_other_options_are_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stamp = (trained / "checkpoint.pt").stat().st_mtime_ns
    again = Path(shutil.copytree(trained, tmp_path / "again"))
    assert run(["train-guided", str(again), "--smoke", "--seed", "1"]) == 1
    assert "other options" in capsys.readouterr().err
    assert (trained / "checkpoint.pt").stat().st_mtime_ns == stamp


def test_the_packaged_weights_are_what_their_card_says() -> None:
    path = packaged_guided_net()
    card = json.loads(card_path(path).read_text("utf-8"))
    assert card["sha256"] == sha256_of(path)
    assert path.stat().st_size < 2e6
    assert {"what", "data", "script", "command", "options", "unseen_simulated_heads", "limits"} <= set(card)
    network, switches = load_guided_net(path)
    assert (switches.maps, switches.anchor) == (True, True)
    assert all(bool(torch.isfinite(value).all()) for value in network.state_dict().values())
