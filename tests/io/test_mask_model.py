from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from fetalt2prep.io.mask_model import load_mask_model
from fetalt2prep.io.sidecar import InputError


class OneChannel(torch.nn.Module):
    """A foreign network: logits (n, 1, y, x) from one slice."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 4.0 * (x[:, :1] - 0.5)


class TwoClasses(torch.nn.Module):
    """A foreign network that answers with another shape."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat((x[:, :1], x[:, :1]), 1)


def saved(network: torch.nn.Module, path: Path, card: object = None) -> Path:
    torch.jit.script(network).save(str(path))
    if card is not None:
        path.with_suffix(".json").write_text(card if isinstance(card, str) else json.dumps(card))
    return path


def test_the_packaged_network_answers_with_probabilities() -> None:
    model = load_mask_model()
    with torch.no_grad():
        found = model.predict(torch.rand(2, 3, 32, 48))
    assert found.shape == (2, 32, 48)
    assert 0 <= float(found.min()) <= float(found.max()) <= 1


def test_torchscript_and_its_card(tmp_path: Path) -> None:
    path = saved(OneChannel(), tmp_path / "their.pt", {"pixel_mm": 1.5, "n_neighbours": 0, "author": "someone"})
    model = load_mask_model(path)
    assert (model.pixel_mm, model.n_neighbours, model.multiple) == (1.5, 0, 16)
    x = torch.rand(2, 1, 16, 32)
    torch.testing.assert_close(model.predict(x), torch.sigmoid(4.0 * (x[:, 0] - 0.5)))


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ({"pixel_mm": "2"}, "pixel_mm is '2'"),
        ({"n_neighbours": True}, "n_neighbours is True"),
        ({"output": "labels"}, "logits, probability"),
        ({"multiple": 0}, "must be positive"),
        ("{", "cannot be read as JSON"),
    ],
)
def test_a_card_that_cannot_be_followed_is_refused(tmp_path: Path, card: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_mask_model(saved(OneChannel(), tmp_path / "their.pt", card))


def test_a_network_that_answers_otherwise_is_refused(tmp_path: Path) -> None:
    model = load_mask_model(saved(TwoClasses(), tmp_path / "their.pt"))
    with pytest.raises(InputError, match=r"answers with \(1, 2, 16, 16\)"):
        model.predict(torch.rand(1, 3, 16, 16))
    wrong = load_mask_model(saved(OneChannel(), tmp_path / "other.pt", {"output": "probability"}))
    with pytest.raises(InputError, match="outside 0 to 1"):
        wrong.predict(torch.zeros(1, 3, 16, 16))


def test_files_that_are_no_networks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such"):
        load_mask_model(tmp_path / "absent.pt")
    other = tmp_path / "weights.bin"
    other.write_bytes(b"0")
    with pytest.raises(InputError, match="ends in one of"):
        load_mask_model(other)
    for name, said in (("a.pt", "torch.jit.script"), ("a.safetensors", "safetensors")):
        path = tmp_path / name
        path.write_bytes(b"no network")
        with pytest.raises(InputError, match=said):
            load_mask_model(path)


def test_onnx_runs_or_says_what_to_install(tmp_path: Path) -> None:
    path = tmp_path / "their.onnx"
    path.write_bytes(b"no network")
    present = importlib.util.find_spec("onnxruntime") is not None
    with pytest.raises(InputError, match="cannot be read as ONNX" if present else "pip install"):
        load_mask_model(path)
