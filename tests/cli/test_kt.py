"""``fetalt2 simulate-kt`` and ``kt-recon``, the interface, and the way on into the reconstruction."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fetalt2prep.cli import kt_recon
from fetalt2prep.cli.main import run
from fetalt2prep.core.kt.recon import METHODS
from fetalt2prep.core.recon.joint import reconstruct
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.interfaces import kt as interface_kt
from fetalt2prep.interfaces.kt import KtRecon
from fetalt2prep.io.sidecar import read_sidecar, slice_times_s
from fetalt2prep.io.stack import load_stack

FETAL = ["--scene", "fetal", "--size", "24", "--frames", "2", "--coils", "4", "--readouts", "13", "--slices", "5"]


@pytest.fixture(scope="module")
def cine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Golden-angle spokes without trajectory."""
    path = tmp_path_factory.mktemp("raw") / "cine.h5"
    size = ["--size", "24", "--frames", "4", "--coils", "3", "--readouts", "6"]
    assert run(["simulate-kt", str(path), *size, "--no-trajectory"]) == 0
    return path


def test_a_scan_becomes_a_series_an_account_and_a_page(cine: Path, tmp_path: Path) -> None:
    assert run(["kt-recon", str(cine), str(tmp_path), "--steps", "30", "--interpolate-time", "2", "--phase"]) == 0
    series, truth = nib.load(tmp_path / "cine_series.nii.gz"), nib.load(cine.with_name("cine_truth.nii.gz"))
    assert series.shape == (24, 24, 1, 7)
    np.testing.assert_allclose(series.affine, truth.affine, atol=1e-4)
    assert float(series.header.get_zooms()[3]) == pytest.approx(0.02, rel=0.1)
    pairs = np.stack((series.get_fdata()[..., ::2].ravel(), truth.get_fdata().ravel()))
    assert np.corrcoef(pairs)[0, 1] > 0.95
    account = json.loads((tmp_path / "cine_series.json").read_text())
    assert account["Acceleration"] == pytest.approx(6.28, abs=0.01)
    assert account["Coils"] == 3
    assert account["Prewhitened"]
    assert set(account["Losses"][0]) == {"loss", "data", "temporal_tv", "spatial_tv", "low_rank"}
    assert any("golden-angle" in note for note in account["Notes"])
    page = (tmp_path / "cine_series.html").read_text("utf-8")
    assert "7, one every 20 ms" in page
    assert "golden-angle" in page
    assert "All planned steps" not in page
    assert (tmp_path / "cine_phase.nii.gz").exists()


def test_one_frame_is_told(cine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["kt-recon", str(cine), str(tmp_path), "--frames", "1", "--steps", "5"]) == 0
    assert "note: one frame" in capsys.readouterr().err


def test_parts_of_frames_are_fitted_and_weights_given(cine: Path, tmp_path: Path) -> None:
    """Four frames of six spokes, three at a time; the account has the weights and the acceleration of the frames."""
    asked = ["--fit-readouts", "3", "--temporal-tv", "0.005", "--low-rank", "0.001", "--data-term", "relative"]
    assert run(["kt-recon", str(cine), str(tmp_path), "--steps", "5", *asked]) == 0
    assert nib.load(tmp_path / "cine_series.nii.gz").shape == (24, 24, 1, 4)
    account = json.loads((tmp_path / "cine_series.json").read_text())
    assert account["Acceleration"] == pytest.approx(6.28, abs=0.01)
    assert account["ReadoutsPerTimeOfFit"] == 3
    options = account["Options"]["inr"]
    assert (options["temporal_tv"], options["low_rank"], options["data_term"]) == (0.005, 0.001, "relative")


def test_the_lists_of_methods_are_one() -> None:
    assert kt_recon.METHODS == METHODS == interface_kt.METHODS


def test_readouts_and_frames_are_chosen(cine: Path, tmp_path: Path) -> None:
    assert run(["kt-recon", str(cine), str(tmp_path), "--method", "adjoint", "--frames", "2", "--coils", "2"]) == 0
    assert nib.load(tmp_path / "cine_series.nii.gz").shape == (24, 24, 1, 2)
    assert json.loads((tmp_path / "cine_series.json").read_text())["Coils"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--frames", "25"], "cine.h5: 24 readouts cannot fill the frames"),
        (["--slice", "3"], "slice 3 has no readout"),
        (["--fit-readouts", "7"], "7 readouts would share a time in the fit"),
        (["--fit-readouts", "3", "--method", "grasp"], "only inr can be asked for any time"),
        (["--method", "grasp", "--interpolate-time", "2"], "only inr knows"),
        (["--coils", "9", "--method", "adjoint"], "9 virtual coils are asked for, of 3"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    cine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(["kt-recon", str(cine), str(tmp_path), *arguments]) == 1
    assert message in capsys.readouterr().err


def test_each_slice_is_a_line_without_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = tmp_path / "fetal.h5"
    assert run(["simulate-kt", str(raw), *FETAL]) == 0
    capsys.readouterr()
    assert run(["kt-recon", str(raw), str(tmp_path), "--method", "adjoint", "--slice", "1", "4"]) == 0
    first, second, *_ = capsys.readouterr().err.splitlines()
    assert first == "slice 1 (1 of 2), adjoint"
    assert re.fullmatch(r"slice 4 \(2 of 2\), adjoint; \d+ s so far", second)


def test_nothing_is_overwritten(cine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["kt-recon", str(cine), str(tmp_path), "--method", "adjoint"]
    assert [run(line), run(line), run([*line, "--force"])] == [0, 1, 0]
    assert "add --force" in capsys.readouterr().err
    assert run(["simulate-kt", str(cine)]) == 1
    (tmp_path / "scan.dat").write_bytes(b"")
    assert run(["kt-recon", str(tmp_path / "scan.dat"), str(tmp_path)]) == 1


def test_frames_of_a_dynamic_go_on_into_the_reconstruction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two frames of five slices, one echo time: stacks with slice times, then one volume that shows the head."""
    raw = tmp_path / "fetal.h5"
    assert run(["simulate-kt", str(raw), *FETAL]) == 0
    monkeypatch.chdir(tmp_path)
    interface = KtRecon(in_file=str(raw), method="inr", options={"n_steps": 10}, fit_readouts=13)
    outputs = interface.run().outputs
    assert len(outputs.stacks) == 2
    times = np.array(outputs.slice_times_s)
    assert times[0].tolist() == pytest.approx([0.08 * s + times[0, 0] for s in range(5)], abs=1e-3)
    truth = nib.load(tmp_path / "fetal_truth.nii.gz").get_fdata()
    centre, pixel_mm = np.array([12, 12, 2]), np.array([320 / 24, 320 / 24, 4.0])
    at_mm = (np.moveaxis(np.indices((24, 24, 5)), 0, -1) - centre) * pixel_mm
    head = np.linalg.norm(at_mm / np.array([75.0, 62.0, 70.0]), axis=-1) < 1
    stacks = []
    for path in map(Path, outputs.stacks):
        mask = path.with_name(path.name.replace("T2w", "mask"))
        nib.save(nib.Nifti1Image(head.astype(np.uint8), nib.load(path).affine), mask)
        meta = read_sidecar(path)
        timing = slice_times_s(meta, 5, path.name)
        stack, _ = load_stack(path, mask, te_s=0.08, thickness_mm=meta["SliceThickness"], slice_times_s=timing)
        assert stack.slice_times_s is not None
        stacks.append(stack)
    recon = reconstruct(stacks, ReconOptions(model="sc", resolution_mm=4.0))
    assert len(recon.slices["slice"]) == 10
    assert truth.shape == (24, 24, 5, 2)
