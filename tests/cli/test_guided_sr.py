"""``fetalt2 guided-sr`` on a small object: what it writes and says, and what a bad guide must not do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from fetalt2prep.cli.main import run
from fetalt2prep.core.signal import SignalModel, SpinEcho
from fetalt2prep.core.truncation import KSpaceTruncation
from fetalt2prep.interfaces.guided import GuidedSuperResolution
from fetalt2prep.io.volume import save_volume

SHAPE, FEW, TE_S = (32, 32, 16), (16, 16, 8), (0.05, 0.1, 0.2)
STEPS = ["--steps", "120"]


@dataclass(frozen=True)
class Scene:
    """Fine truth; coarse maps and guides on disk."""

    folder: Path
    t2_s: np.ndarray
    inside: np.ndarray
    signal: Callable[[SignalModel], np.ndarray]

    def guide(self, name: str, te_s: float, *, gain: float = 1.0, shift_mm: float = 0.0) -> Path:
        affine = np.eye(4)
        affine[0, 3] = shift_mm
        noise = np.random.default_rng(0).normal(0, 0.003, SHAPE)
        path = self.folder / f"{name}.nii.gz"
        save_volume(gain * (self.signal(SpinEcho(te_s=te_s)) + noise).clip(0), affine, path)
        path.with_name(f"{name}.json").write_text(json.dumps({"EchoTime": te_s}))
        return path

    def refine(self, out: str, *guides: Path, extra: tuple[str, ...] = ()) -> Path:
        maps = ["--t2map", str(self.folder / "T2map.nii.gz"), "--s0map", str(self.folder / "S0map.nii.gz")]
        target = self.folder / out
        words = ["guided-sr", str(target), *maps, "--guide", *map(str, guides), *STEPS, *extra]
        assert run(words) == 0
        return target

    def mae_ms(self, folder: Path) -> float:
        image = nib.load(folder / "T2map.nii.gz")
        at = np.rint(image.affine[:3, 3]).astype(int)
        full = np.full(SHAPE, np.nan)
        full[tuple(slice(a, a + n) for a, n in zip(at, image.shape, strict=True))] = image.get_fdata()
        there = self.inside & np.isfinite(full)
        assert there.sum() > 0.9 * self.inside.sum()
        return float(1000 * np.abs(full - self.t2_s)[there].mean())


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("guided")
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    radius = np.sqrt(x**2 + y**2 + (0.8 * z) ** 2)
    inside = radius < 0.88
    grey = inside & ((radius + 0.1 * np.cos(6 * np.arctan2(y, x)) > 0.6) | (np.hypot(x - 0.3, y + 0.1) < 0.15))
    t2_s = np.where(grey, 0.11, 0.08) * np.exp(0.06 * np.cos(20 * x + 9 * y + 7 * z)) * inside
    pd = np.where(grey, 0.85, 0.7) * inside
    rate = torch.from_numpy(np.where(inside, 1 / np.where(inside, t2_s, 1.0), 0.0))

    def signal(model: SignalModel) -> np.ndarray:
        return np.asarray(model(torch.from_numpy(pd), torch.zeros_like(rate), rate))

    see = KSpaceTruncation.between(SHAPE, FEW)
    views = np.stack([see.forward(torch.from_numpy(signal(SpinEcho(te_s=te))).float()).numpy() for te in TE_S])
    seen = see.forward(torch.from_numpy(inside).float()).numpy() > 0.5
    slope, offset = np.polyfit(TE_S, np.log(views.clip(1e-4)).reshape(3, -1), 1)
    coarse = np.diag([2.0, 2.0, 2.0, 1.0])
    coarse[:3, 3] = 0.5
    for name, values in (("T2map", 1 / -slope.clip(max=-1)), ("S0map", np.exp(offset))):
        save_volume(np.where(seen, values.reshape(FEW), np.nan), coarse, folder / f"{name}.nii.gz")
    (folder / "T2map.json").write_text(json.dumps({"EchoTime": list(TE_S)}))
    return Scene(folder, t2_s, inside, signal)


@pytest.fixture(scope="module")
def plain(scene: Scene) -> float:
    """T2 error without a guide: one that shows nothing of this object is not used."""
    rng = np.random.default_rng(3)
    path = scene.folder / "nonsense.nii.gz"
    save_volume(rng.uniform(0.1, 1.0, SHAPE), np.eye(4), path)
    out = scene.refine("without", path, extra=("--guide-te", "0.1", "--no-register"))
    (row,) = json.loads((out / "guided.json").read_text())["guides"]
    assert row["use"] == "none"
    return scene.mae_ms(out)


def test_a_good_guide_helps_and_the_account_says_what_was_done(
    scene: Scene, plain: float, capsys: pytest.CaptureFixture[str]
) -> None:
    out = scene.refine("good", scene.guide("good_guide", 0.1))
    said = capsys.readouterr().out
    assert "good_guide.nii.gz: its values are data: its echo time lies between" in said
    assert f"Written: {out}" in said
    assert scene.mae_ms(out) < 0.95 * plain
    assert scene.mae_ms(scene.refine("edges", scene.guide("good_guide", 0.1), extra=("--use", "edges"))) < 0.95 * plain
    account = json.loads((out / "guided.json").read_text())
    assert account["grid"]["finer_by"] == [2.0, 2.0, 2.0]
    assert account["echo_times_s"] == list(TE_S)  # of the T2 map's sidecar
    assert account["guides"][0]["sequence"] == {"kind": "se", "te_s": 0.1, "tr_s": None}
    assert not account["guides"][0]["registration"]["taken"]
    names = {"T2map", "S0map", "mismatch", "guide-1"}
    assert {path.name for path in out.iterdir()} == {f"{name}.nii.gz" for name in names} | {"guided.json"}
    mismatch = nib.load(out / "mismatch.nii.gz").get_fdata()
    assert np.nanmin(mismatch) >= 0
    assert np.nanmax(mismatch) <= 1


@pytest.mark.parametrize("te_s", [0.1, 0.4], ids=["between", "beyond"])
@pytest.mark.parametrize("wrong", ["gain 0.5", "gain 2", "shifted", "shifted and not registered"])
def test_a_wrong_guide_is_hardly_worse_than_none(scene: Scene, plain: float, te_s: float, wrong: str) -> None:
    gain = {"gain 0.5": 0.5, "gain 2": 2.0}.get(wrong, 1.0)
    name = f"{wrong.replace(' ', '')}{te_s}"
    guide = scene.guide(f"g{name}", te_s, gain=gain, shift_mm=3.0 if "shifted" in wrong else 0.0)
    extra = ("--same-scale", *(["--no-register"] if "not" in wrong else []))
    out = scene.refine(name, guide, extra=extra)
    assert scene.mae_ms(out) < 1.05 * plain
    (row,) = json.loads((out / "guided.json").read_text())["guides"]
    if wrong == "shifted":
        assert row["registration"]["taken"]
        assert row["registration"]["moved_mm"] == pytest.approx(3.0, abs=0.5)


def test_several_guides_and_a_t1_map(scene: Scene) -> None:
    image = nib.load(scene.folder / "T2map.nii.gz")
    save_volume(10 * image.get_fdata(), image.affine, scene.folder / "T1map.nii.gz")
    guides = [scene.guide("one", 0.1), scene.guide("two", 0.05)]
    sequence = (
        "--guide-kind",
        "se",
        "ir",
        "--guide-te",
        "0.1",
        "0.01",
        "--guide-ti",
        "-",
        "0.3",
        "--guide-tr",
        "5",
        "-",
    )
    extra = ("--t1map", str(scene.folder / "T1map.nii.gz"), "--steps", "20", *sequence)
    out = scene.refine("three", *guides, extra=extra)
    assert (out / "T1map.nii.gz").is_file()
    assert (out / "guide-2.nii.gz").is_file()
    account = json.loads((out / "guided.json").read_text())
    assert [row["sequence"]["kind"] for row in account["guides"]] == ["se", "ir"]
    assert account["guides"][0]["sequence"]["tr_s"] == 5.0
    assert account["anchor"] == "maps"


def test_the_interface_does_the_same(scene: Scene, tmp_path: Path) -> None:
    guide = scene.guide("good_guide", 0.1)
    node = GuidedSuperResolution(
        t2map=str(scene.folder / "T2map.nii.gz"), s0map=str(scene.folder / "S0map.nii.gz"), te_s=list(TE_S),
        guide_files=[str(guide)], guide_te_s=[0.1], n_steps=120,
    )  # fmt: skip
    outputs = node.run(cwd=tmp_path).outputs
    assert nib.load(outputs.t2map).shape == nib.load(scene.refine("again", guide) / "T2map.nii.gz").shape
    assert "cost" in json.loads(Path(outputs.info_file).read_text())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--guide-te", "0.1", "0.2"], "--guide-te gives 2 value(s) for 1 guide(s)"),
        (["--guide-kind", "ir"], "InversionTime is not given, and a guide of kind ir needs it. Give --guide-ti"),
        (["--guide-te", "100"], "seconds are wanted"),
        (["--voxel", "-1"], "voxels of -1.0 mm are asked for"),
        (["--error", "2"], "the error of the maps is 2.0"),
        (["--te", "50", "100"], "--te gives 50; seconds above 0"),
        (["--te", "-0.1", "0.2"], "--te gives -0.1; seconds above 0"),
        (["--te", "0.1"], "--te gives 0.1 alone; T2 was fitted to two echo times or more"),
        (["--voxel", "0.02"], "voxels; at most 64 million can be refined. Ask for larger voxels."),
        (["--guide-kind", "se", "se"], "names 2 kinds for 1 guide(s)"),
        (["--guide-kind", "spgr", "--guide-tr", "0.01", "--guide-flip", "15"], "give a coarse T1 map"),
        (["--t1map", "{folder}/good_guide.nii.gz"], "Bring them onto one grid first"),
        (["--t2map", "{folder}/none.nii.gz"], "cannot be read as NIfTI"),
        (["--mask", "{folder}/empty.nii.gz"], "the mask of T2map.nii.gz is empty"),
        (["--guide", "{folder}/far.nii.gz", "--guide-te", "0.1"], "far.nii.gz: the guide shows nothing where the maps"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(
    scene: Scene, change: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    guide = scene.guide("good_guide", 0.1)
    save_volume(np.zeros(FEW), np.diag([2.0, 2.0, 2.0, 1.0]), scene.folder / "empty.nii.gz")
    far = np.eye(4)
    far[:3, 3] = 500
    save_volume(np.ones(SHAPE), far, scene.folder / "far.nii.gz")
    maps = ["--t2map", str(scene.folder / "T2map.nii.gz"), "--s0map", str(scene.folder / "S0map.nii.gz")]
    changed = [word.format(folder=scene.folder) for word in change]
    assert run(["guided-sr", str(scene.folder / "x"), *maps, "--guide", str(guide), "--no-register", *changed]) == 1
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_milliseconds_and_old_results_are_refused(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    guide = scene.guide("good_guide", 0.1)
    image = nib.load(scene.folder / "T2map.nii.gz")
    save_volume(1000 * image.get_fdata(), image.affine, scene.folder / "ms.nii.gz")
    rest = ["--s0map", str(scene.folder / "S0map.nii.gz"), "--guide", str(guide)]
    assert run(["guided-sr", str(scene.folder / "y"), "--t2map", str(scene.folder / "ms.nii.gz"), *rest]) == 1
    assert "seconds are wanted. Divide a map in milliseconds by 1000." in capsys.readouterr().err
    old = scene.folder / "old"
    old.mkdir()
    (old / "T2map.nii.gz").write_bytes(b"")
    assert run(["guided-sr", str(old), "--t2map", str(scene.folder / "T2map.nii.gz"), *rest]) == 1
    assert "is there already" in capsys.readouterr().err
