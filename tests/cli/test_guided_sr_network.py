"""``fetalt2 guided-sr --method network`` with the weights in the package, on a small object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import Tensor

from fetalt2prep.cli.main import run
from fetalt2prep.core.guided.first import first_maps
from fetalt2prep.core.guided.network import GuidedNet
from fetalt2prep.core.guided.refine_network import Switches
from fetalt2prep.core.guided.trained_on import TrainedOn, check_trained
from fetalt2prep.core.signal import SpinEcho, SpoiledGradientEcho
from fetalt2prep.interfaces.guided import GuidedSuperResolution
from fetalt2prep.io.guided_weights import packaged_guided_net, save_guided_net
from fetalt2prep.io.volume import save_volume
from fetalt2prep.io.weights import card_path, sha256_of, write_card
from fetalt2prep.sim.guided.case import draw_t1w, draw_t2w
from fetalt2prep.sim.guided.lessons import FACTORS
from tests.core.guided.conftest import COARSE, SHAPE, Object

T1W = SpoiledGradientEcho(te_s=0.003, tr_s=0.015, flip_deg=20.0)
T2W = SpinEcho(te_s=0.1, tr_s=5.0)
SPGR = ("--guide-te", "0.003", "0.1", "--guide-tr", "0.015", "5", "--guide-flip", "20", "-")
BOTH = ("--guide-kind", "spgr", "se", *SPGR)
NETWORK = ("--method", "network", "--no-register")
Files = dict[str, Path]


@pytest.fixture(scope="module")
def thing() -> Object:
    return Object()


@pytest.fixture(scope="module")
def files(thing: Object, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Maps and guides of the object on disk; voxels of 1 mm and of 2 mm."""
    folder = tmp_path_factory.mktemp("guided_network")
    fine, coarse = np.eye(4), np.diag([2.0, 2.0, 2.0, 1.0])
    coarse[:3, 3] = 0.5
    maps, inside = thing.coarse(), thing.see.forward(thing.mask.float()) > 0.3
    assert maps.t1_s is not None
    images = {
        "T2map": (maps.t2_s, coarse), "S0map": (maps.pd, coarse), "T1map": (maps.t1_s, coarse),
        "t1w": (40 * thing.guide(T1W).image.abs(), fine), "t2w": (3 * thing.guide(T2W).image.abs(), fine),
    }  # fmt: skip
    paths = {name: folder / f"{name}.nii.gz" for name in images}
    for name, (values, affine) in images.items():
        known = torch.where(inside, values, torch.nan) if values.shape == COARSE else values
        save_volume(known.numpy(), affine, paths[name])
    return paths


def words(files: Files, out: Path, *extra: str, guides: tuple[str, ...] = ("t1w", "t2w"), t1: bool = True) -> list[str]:
    """The command."""
    maps = ["--t2map", str(files["T2map"]), "--s0map", str(files["S0map"])]
    maps += ["--t1map", str(files["T1map"])] if t1 else []
    return ["guided-sr", str(out), *maps, "--guide", *(str(files[name]) for name in guides), *extra]


def on_object(path: Path) -> Tensor:
    """A result on the object's grid, zero where there is none."""
    image = nib.load(path)
    at = np.rint(image.affine[:3, 3]).astype(int)
    whole = np.zeros(SHAPE, np.float32)
    part = tuple(slice(a, a + n) for a, n in zip(at, image.shape, strict=True))
    whole[part] = np.nan_to_num(image.get_fdata())
    return torch.from_numpy(whole)


def account_of(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "guided.json").read_text("utf-8")))


def test_it_refines_both_times_and_the_record_names_the_weights(
    files: Files, thing: Object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words(files, tmp_path, *NETWORK, *BOTH)) == 0
    weights = packaged_guided_net()
    limits = json.loads(card_path(weights).read_text("utf-8"))["limits"]
    account = account_of(tmp_path)
    assert account["method"] == account["anchor"] == "network"
    assert account["weights"] == {"file": weights.name, "sha256": sha256_of(weights), "limits": limits}
    assert account["options"] == {"use": "auto"}
    assert not {"fit", "relative_error"} & set(account)
    assert [row["use"] for row in account["guides"]] == ["signal", "signal"]
    assert f"Refined by the network of guided.safetensors. {limits}\n" in capsys.readouterr().out
    maps = thing.coarse()
    before, _ = first_maps(maps.pd, maps.t1_s, maps.t2_s, thing.see, thing.mask)
    for name, true, rate in (("T1map", thing.t1_s, before.r1), ("T2map", thing.t2_s, before.r2)):
        found = on_object(tmp_path / f"{name}.nii.gz")
        there = thing.mask & (found > 0)
        assert int(there.sum()) > 0.9 * int(thing.mask.sum())
        now, then = ((values / true).log().abs()[there].mean() for values in (found, 1 / rate))
        assert float(now) < float(then)


def test_the_fit_stays_the_default_and_is_recorded(files: Files, tmp_path: Path) -> None:
    assert run(words(files, tmp_path, "--no-register", "--steps", "3", *BOTH)) == 0
    account = account_of(tmp_path)
    assert account["method"] == "fit"
    assert account["fit"]["n_steps"] == account["options"]["n_steps"] == 3
    assert account["relative_error"] == 0.02
    assert "weights" not in account


def test_a_guide_off_its_place_is_registered_first(files: Files, thing: Object, tmp_path: Path) -> None:
    image = nib.load(files["t1w"])
    moved = image.affine + np.outer([3.0, 0, 0, 0], [0, 0, 0, 1.0])
    off = save_volume(image.get_fdata(dtype=np.float32), moved, tmp_path / "off.nii.gz")
    sequence = ("--guide-kind", "spgr", "--guide-te", "0.003", "--guide-tr", "0.015", "--guide-flip", "20")
    errors = []
    for name, path in (("straight", files["t1w"]), ("off", off)):
        out = tmp_path / name
        command = words(files | {"t1w": path}, out, "--method", "network", *sequence, guides=("t1w",))
        assert run(command) == 0
        found = on_object(out / "T2map.nii.gz")
        errors.append(float((found - thing.t2_s)[found > 0].abs().mean()))
    assert errors[1] < 1.05 * errors[0]
    (row,) = account_of(out)["guides"]
    assert row["registration"]["moved_mm"] == pytest.approx(3.0, abs=0.5)


def test_other_weights_count_also_in_the_interface(files: Files, tmp_path: Path) -> None:
    weights = tmp_path / "own.safetensors"
    untrained, switches = GuidedNet(4, 1), Switches()
    save_guided_net(untrained, switches, weights)
    card = {"options": {"guides": ["t2w"]}, "limits": "None known."}
    write_card(weights, card)
    node = GuidedSuperResolution(
        t2map=str(files["T2map"]), s0map=str(files["S0map"]), t1map=str(files["T1map"]),
        guide_files=[str(files["t2w"])], guide_te_s=[0.1], register_guides=False,
        method="network", weights=str(weights),
    )  # fmt: skip
    outputs = node.run(cwd=tmp_path).outputs
    account = json.loads(Path(outputs.info_file).read_text("utf-8"))
    assert account["weights"] == {"file": weights.name, "sha256": sha256_of(weights), "limits": "None known."}
    assert "cost" in account
    out = tmp_path / "packaged"
    assert run(words(files, out, *NETWORK, "--guide-te", "0.1", guides=("t2w",))) == 0
    own, packaged = on_object(Path(outputs.t2map)), on_object(out / "T2map.nii.gz")
    assert float((own - packaged).abs().max()) > 1e-3


IR_ALONG = ("--guide-ti", "-", "2.5")
LIKE_T1 = ("--guide-kind", "se", "ir", "--guide-te", "0.01", "0.1", "--guide-tr", "0.6", "9", *IR_ALONG)


@pytest.mark.parametrize(
    ("extra", "t1", "said"),
    [
        (BOTH, False, "the network needs a coarse T1 map; give one, or take the fit"),
        ((*BOTH, "--use", "edges"), True, "for their edges alone, take the fit"),
        (("--guide-te", "0.1", "0.1"), True, "T2-weighted; the network takes one of each kind. Leave some out"),
        (LIKE_T1, True, "guide 1 is SpinEcho, T1-weighted; the network was trained with"),
        (("--guide-kind", "spgr", "ir", *SPGR, *IR_ALONG), True, "guide 2 is InversionRecovery, T2-weighted"),
        ((*BOTH, "--voxel", "0.4"), True, "was trained with 2 to 4 along every axis. Ask for voxels of another size"),
        ((*BOTH, "--voxel", "2"), True, "1 x 1 x 1 voxels for each of the maps"),
        ((*BOTH, "--steps", "20", "--same-scale"), True, "takes no scale of the guides and no steps"),
        ((*BOTH, "--te", "0.05", "0.1"), True, "takes no echo times of the maps"),
        ((*BOTH, "--weights", "none.safetensors"), True, "none.safetensors"),
        ((*BOTH, "--method", "fit", "--weights", "none.safetensors"), True, "the fit has no weights"),
    ],
)
def test_what_it_was_not_made_for_is_refused_with_a_way_out(
    files: Files, extra: tuple[str, ...], t1: bool, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words(files, tmp_path / "out", *NETWORK, *extra, t1=t1)) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_weights_are_asked_for_the_guides_of_their_training(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = save_guided_net(GuidedNet(4, 1), Switches(), tmp_path / "own.safetensors")
    command = words(files, tmp_path / "out", *NETWORK, *BOTH, "--weights", str(weights))
    assert run(command) == 1
    assert "Keep the card that train-guided writes" in capsys.readouterr().err
    write_card(weights, {"options": {"guides": ["t2w"]}})
    assert run(command) == 1
    assert (
        "guide 1 is SpoiledGradientEcho, T1-weighted; the network was trained with spin echo as T2-weighted guide."
        in (capsys.readouterr().err)
    )


def test_training_draws_what_the_network_is_said_to_know() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        check_trained([draw_t1w(rng), draw_t2w(rng)], [float(factor) for factor in FACTORS], TrainedOn())
    assert TrainedOn().finer == (min(FACTORS), max(FACTORS))
