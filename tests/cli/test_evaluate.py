"""``fetalt2 evaluate``: put-in errors come out, files are written, wrong folders are named."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fetalt2prep.cli.main import run
from tests.cli.conftest import ANAT, PREFIX, Scene


@pytest.fixture(scope="module")
def written(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    prefix = tmp_path_factory.mktemp("scores") / "mine"
    assert run(["evaluate", str(scene.bids), str(scene.derivatives), "--out", str(prefix)]) == 0
    return prefix


def test_put_in_errors_come_out(written: Path, scene: Scene) -> None:
    scores = json.loads(written.with_name("mine.json").read_text())
    assert scores["WM"]["core_n_voxels"] > 0
    for tissue in ("WM", "GM", "deepGM", "cerebellum", "brainstem"):
        assert scores[tissue]["median"] == pytest.approx(1.05 * scores[tissue]["true_median"], rel=0.01)
        if scores[tissue]["core_n_voxels"]:  # the cortex of this small head is one voxel thick
            assert scores[tissue]["core_bias"] == pytest.approx(0.05 * scores[tissue]["core_true_median"], rel=0.25)
    assert scores["te_ms"] == [300.0, 397.0, 600.0]
    assert scores["scale_ratio_to_first"] == pytest.approx([1.0, 1 / 1.02, 1.0], abs=3e-3)
    assert min(scores["ssim"]) > 0.9
    assert scores["invalid_percent"] == 0.0
    assert scores["reconstruction"] == str(scene.derivatives)


def test_slices_are_where_they_belong_but_for_the_registration(written: Path, scene: Scene) -> None:
    scores = json.loads(written.with_name("mine.json").read_text())["slices"]
    assert scores["median_mm"] < 0.2
    assert scores["uncorrected_median_mm"] > 1.0
    rows = list(csv.DictReader(written.with_name("mine_slices.tsv").open(), delimiter="\t"))
    assert len(rows) == scores["n_slices"] == int((scene.case.slices["n_brain_pixels"] > 0).sum())
    assert {row["stack"] for row in rows} == {f"{PREFIX}_{stack.name}" for stack in scene.case.stacks}


def test_the_table_holds_what_the_json_holds(written: Path) -> None:
    scores = json.loads(written.with_name("mine.json").read_text())
    rows = list(csv.DictReader(written.with_name("mine.tsv").open(), delimiter="\t"))
    value = {(row["quantity"], row["where"]): row["value"] for row in rows}
    assert len(value) == len(rows)
    assert float(value["mae", "WM"]) == scores["WM"]["mae"]
    assert float(value["ssim", "397 ms"]) == scores["ssim"][1]
    assert float(value["slice_error_median", "slices"]) == scores["slices"]["median_mm"]
    units = {row["quantity"]: row["unit"] for row in rows}
    assert (units["mae"], units["core_n_voxels"], units["psnr"], units["ssim"]) == ("ms", "count", "dB", "n/a")


def test_what_is_printed(scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also without T2 map and table of slices: then both are said to be missing."""
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in scene.recon.glob("*_desc-recon_T2w.*"):
        shutil.copyfile(path, bare / path.name)
    assert run(["evaluate", str(scene.truth), str(bare), "-o", str(tmp_path / "e")]) == 0
    text = capsys.readouterr().out
    assert "T2 was not scored" in text
    assert "Slices were not scored" in text
    assert "397 ms" in text
    assert sorted(path.name for path in tmp_path.glob("e*")) == ["e.json", "e.tsv"]


def test_effective_t2_is_that_of_the_true_echoes(scene: Scene, tmp_path: Path) -> None:
    """Echoes that decay more slowly than the tissue: the effective T2 is longer, and the T2 map is too short for it."""
    truth = Path(shutil.copytree(scene.truth, tmp_path / "truth"))
    for path in truth.rglob("*_desc-truth_T2w.nii.gz"):
        te_s = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())["EchoTime"]
        image = nib.load(path)
        nib.save(nib.Nifti1Image(image.get_fdata(dtype=np.float32) * np.float32(np.exp(te_s)), image.affine), path)
    scores = {}
    for flag in ([], ["--effective"]):
        assert run(["evaluate", str(truth), str(scene.recon), "-o", str(tmp_path / "e"), *flag]) == 0
        scores[bool(flag)] = json.loads((tmp_path / "e.json").read_text())
    longer = 1 / (1 / scores[False]["WM"]["true_median"] - 1e-3)  # R2 less 1 per second, in ms
    assert scores[True]["WM"]["true_median"] == pytest.approx(longer, rel=0.01)
    assert scores[True]["WM"]["median"] == scores[False]["WM"]["median"]
    assert scores[True]["WM"]["bias"] < -50


def test_a_plain_folder_is_scored_alike(written: Path, scene: Scene, tmp_path: Path) -> None:
    echoes = [nib.load(path) for path in sorted(scene.recon.glob("*_desc-recon_T2w.nii.gz"))]
    stacked = np.stack([image.get_fdata(dtype=np.float32) for image in echoes], -1)
    nib.save(nib.Nifti1Image(stacked, echoes[0].affine), tmp_path / "echoes.nii.gz")
    shutil.copyfile(next(scene.recon.glob("*_T2map.nii.gz")), tmp_path / "T2map.nii.gz")
    assert run(["evaluate", str(scene.truth), str(tmp_path), "-o", str(tmp_path / "e")]) == 0
    mine, theirs = (json.loads(path.read_text()) for path in (tmp_path / "e.json", written.with_name("mine.json")))
    assert mine["WM"] == theirs["WM"]
    assert mine["ssim"] == theirs["ssim"]


def copied(scene: Scene, tmp_path: Path) -> Path:
    return Path(shutil.copytree(scene.derivatives, tmp_path / "copy"))


def remove_recon(out: Path) -> None:
    for path in out.rglob("*_desc-recon_T2w.nii.gz"):
        path.unlink()


def remove_echo(out: Path) -> None:
    next(out.rglob("*_echo-3_desc-recon_T2w.nii.gz")).unlink()


def remove_sidecar(out: Path) -> None:
    next(out.rglob("*_echo-2_desc-recon_T2w.json")).unlink()


def add_session(out: Path) -> None:
    for path in sorted((out / ANAT).iterdir()):
        copy = out / ANAT.replace("ses-01", "ses-02") / path.name.replace("ses-01", "ses-02")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def truncate_t2map(out: Path) -> None:
    path = next(out.rglob("*_T2map.nii.gz"))
    path.write_bytes(path.read_bytes()[:2000])


def write_milliseconds(out: Path) -> None:
    path = next(out.rglob("*_T2map.nii.gz"))
    image = nib.load(path)
    values = 1000 * image.get_fdata(dtype=np.float32)
    nib.save(nib.Nifti1Image(values, image.affine), path)


def empty_first_echo(out: Path) -> None:
    path = next(out.rglob("*_echo-1_desc-recon_T2w.nii.gz"))
    image = nib.load(path)
    nib.save(nib.Nifti1Image(np.zeros(image.shape, np.float32), image.affine), path)


def break_table(out: Path) -> None:
    path = next(out.rglob("*_stats.tsv"))
    path.write_text(path.read_text().replace("m00", "n00"))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (remove_recon, "holds no reconstruction"),
        (remove_echo, "has echoes at 300, 397 ms; the truth has 300, 397, 600 ms"),
        (remove_sidecar, "gives no EchoTime in seconds"),
        (add_session, "(sub-a1/ses-01/anat/sub-a1_ses-01_rec-inr, sub-a1/ses-02/anat/sub-a1_ses-02_rec-inr); name"),
        (truncate_t2map, "cannot be read as NIfTI"),
        (write_milliseconds, "BIDS wants seconds"),
        (empty_first_echo, "first echo of the reconstruction is empty"),
        (break_table, "the columns m00 are missing"),
    ],
)
def test_a_bad_reconstruction_is_refused(
    spoil: object, message: str, scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = copied(scene, tmp_path)
    spoil(out)  # type: ignore[operator]
    assert run(["evaluate", str(scene.truth), str(out), "-o", str(tmp_path / "e")]) == 1
    err = capsys.readouterr().err
    assert err.startswith("fetalt2 evaluate: error: ")
    assert message in err
    assert not list(tmp_path.glob("e*"))


def test_a_bad_truth_is_refused(scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder, message in ((tmp_path, "holds no truth"), (tmp_path / "none", "there is no such folder")):
        assert run(["evaluate", str(folder), str(scene.recon), "-o", str(tmp_path / "e")]) == 1
        assert message in capsys.readouterr().err
    two = Path(shutil.copytree(scene.truth, tmp_path / "two"))
    shutil.copytree(two / "sub-a1", two / "sub-a2")
    assert run(["evaluate", str(two), str(scene.recon), "-o", str(tmp_path / "e")]) == 1
    assert "holds the truth of 2 sessions (sub-a1/ses-01/anat, sub-a2/ses-01/anat); name one" in capsys.readouterr().err


def test_files_have_somewhere_to_go(scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for out, message in ((tmp_path, "is a folder; --out is how"), (tmp_path / "no" / "e", "there is no such folder")):
        assert run(["evaluate", str(scene.truth), str(scene.recon), "-o", str(out)]) == 1
        assert message in capsys.readouterr().err
