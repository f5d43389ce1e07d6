"""Runs that do less than all: masks only, reconstruction only, T2 of given volumes, few files, only a plan."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_app.main import run
from tests.bids_app.conftest import WriteStack, app, three_echoes

TABLES = ("stacks", "quality", "audit")


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def three(bids: Path, write_stack: WriteStack) -> Path:
    three_echoes(write_stack)
    return bids


def test_masks_then_reconstruction_then_t2_of_it(
    three: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each run takes up what the one before left in the work folder, and T2 comes out as from one run."""
    out, anat = tmp_path / "out", tmp_path / "out" / "sub-01" / "anat"
    assert app(three, tmp_path, "--masks-only", "--level", "minimal") == 0
    stacks = {f"sub-01_acq-good_echo-{n}_desc-{kind}" for n in (1, 2, 3) for kind in ("preproc_T2w", "brain_mask")}
    expected = {f"{name}.{end}" for name in stacks for end in ("nii.gz", "json")}
    expected |= {f"sub-01_acq-good_rec-inr_desc-{table}_stats.{end}" for table in TABLES for end in ("tsv", "json")}
    assert files(anat) == expected
    assert "Only brain masks were asked for." in (out / "sub-01.html").read_text()

    # What is sampled besides, the field of the coils and the density must not be taken for echoes of their own.
    assert app(three, tmp_path, "--recon-only", "--bias", "n4", "--recon-resolution", "3", "2.5") == 0
    for part in ("_res-", "_desc-bias_T2w", "_desc-density_T2w"):
        assert any(part in name for name in files(anat)), part
    assert "T2 was not asked for." in (out / "sub-01.html").read_text()
    assert "sub-01_acq-good_rec-inr_echo-3_desc-recon_T2w.nii.gz" in files(anat)
    assert not [name for name in files(anat) if "T2map" in name]

    recon = ["-d", f"recon={out}", "-w", str(tmp_path / "work2"), "--device", "cpu", "--skip-bids-validation"]
    assert run([str(three), str(tmp_path / "given"), "participant", *recon]) == 0
    given = tmp_path / "given" / "sub-01" / "anat" / "sub-01_rec-inr_T2map.nii.gz"
    sources = json.loads(given.with_name("sub-01_rec-inr_T2map.json").read_text())["Sources"]
    assert sources[0] == "bids:recon:sub-01/anat/sub-01_acq-good_rec-inr_echo-1_desc-recon_T2w.nii.gz"
    page = (tmp_path / "given" / "sub-01.html").read_text()
    assert "Reconstructed volumes at 80, 160 and 240 ms were given" in page

    capsys.readouterr()
    assert app(three, tmp_path, "--level", "minimal", "--bias", "n4", "-v") == 0
    log = max((out / "logs").glob("run-*.log"), key=lambda path: path.stat().st_mtime_ns).read_text()
    assert log.count('[Node] Cached "fetalt2prep_') >= 2
    whole = nib.load(anat / "sub-01_acq-good_rec-inr_T2map.nii.gz").get_fdata()
    part = nib.load(given).get_fdata()
    both = np.isfinite(whole) & np.isfinite(part)
    assert both.mean() > 0.05
    assert np.median(np.abs(whole - part)[both]) < 0.02  # that run knew the errors of the echoes too


def test_minimal_leaves_the_stacks_out(three: Path, tmp_path: Path) -> None:
    assert app(three, tmp_path, "--level", "minimal", "--sloppy") == 0
    names = files(tmp_path / "out" / "sub-01" / "anat")
    assert "sub-01_acq-good_rec-inr_T2map.nii.gz" in names
    assert not [name for name in names if "preproc" in name or "echo-1_desc-brain" in name]


def test_volumes_of_another_program(bids: Path, write_stack: WriteStack, tmp_path: Path) -> None:
    """Named as fetpype names NeSVoR's, no mask: where all are above zero."""
    write_stack("sub-01_T2w")
    made = tmp_path / "nesvor" / "sub-01" / "anat"
    made.mkdir(parents=True)
    shape = (12, 12, 12)
    inside = np.zeros(shape, bool)
    inside[3:9, 3:9, 3:9] = True
    for te_s in (0.3, 0.1, 0.2):
        path = made / f"sub-01_acq-te{1000 * te_s:.0f}_rec-nesvor_T2w.nii.gz"
        nib.save(nib.Nifti1Image(np.where(inside, 900 * np.exp(-te_s / 0.15), 0).astype("f4"), np.eye(4)), path)
        path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps({"EchoTime": te_s}))
    command = [str(bids), str(tmp_path / "out"), "participant", "-d", f"recon={tmp_path / 'nesvor'}"]
    command += ["-w", str(tmp_path / "work"), "--device", "cpu", "--skip-bids-validation"]
    assert run(command) == 0
    anat = tmp_path / "out" / "sub-01" / "anat"
    t2_s = nib.load(anat / "sub-01_rec-nesvor_T2map.nii.gz").get_fdata()
    assert np.allclose(t2_s[inside], 0.15, rtol=1e-4)
    assert np.isnan(t2_s[~inside]).all()
    assert not [name for name in files(anat) if "rec-inr" in name]
    links = json.loads((tmp_path / "out" / "dataset_description.json").read_text())["DatasetLinks"]
    assert links["recon"] == "../nesvor/"

    shutil.copy(path, made / "sub-01_rec-svrtk_T2w.nii.gz")
    assert run(command) == 1
    assert "reconstructions of several kinds (nesvor, svrtk)" in (tmp_path / "out" / "sub-01.html").read_text()


def test_a_file_with_several_echo_times_goes_all_the_way(bids: Path, write_stack: WriteStack, tmp_path: Path) -> None:
    times_s = [0.08, 0.16, 0.24]

    def three_volumes(pixels: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        background = pixels < 50
        return np.stack([np.where(background, pixels, pixels * np.exp(-te_s / 0.15)) for te_s in times_s], axis=-1)

    meta = {"EchoTime": times_s, "SliceThickness": 4.0}
    write_stack("sub-01_acq-ax_T2w", 0.0, meta=meta, change=three_volumes, mask=True)
    assert app(bids, tmp_path) == 0
    anat = tmp_path / "out" / "sub-01" / "anat"
    assert {f"sub-01_acq-ax_echo-{n}_desc-preproc_T2w.nii.gz" for n in (1, 2, 3)} <= files(anat)
    assert "sub-01_acq-ax_rec-inr_T2map.nii.gz" in files(anat)
    sidecar = json.loads((anat / "sub-01_acq-ax_echo-3_desc-preproc_T2w.json").read_text())
    assert (sidecar["Sources"], sidecar["EchoTime"]) == (["bids:raw:sub-01/anat/sub-01_acq-ax_T2w.nii.gz"], 0.24)


def test_a_plan_is_printed_and_nothing_is_written(
    three: Path, write_stack: WriteStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(tmp_path)
    assert app(three, tmp_path, "--dry-run") == 0
    said = capsys.readouterr().out
    for text in (
        "1 participant(s), 1 session(s)",
        "3 stack(s), echo times 80, 160, 240 ms",
        "sub-01_acq-good_echo-2_T2w",
    ):
        assert text in said
    assert "gives: reconstruction, T2 map; about" in said
    assert files(tmp_path) == before
    assert not (tmp_path / "out").exists()
    write_stack("sub-01_acq-bad_T2w", meta={})
    assert app(three, tmp_path, "--dry-run") == 1
    assert "Left out: sub-01_acq-bad_T2w.nii.gz: EchoTime is missing" in capsys.readouterr().out
    (tmp_path / "filter.json").write_text('{"t2w": {"acquisition": "other"}}')
    assert app(three, tmp_path, "--dry-run", "--bids-filter-file", str(tmp_path / "filter.json")) == 1
    assert "T2w or MESE that --bids-filter-file lets through was found" in capsys.readouterr().out
