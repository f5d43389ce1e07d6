"""``fetalt2 simulate-sense`` and ``sense``, and the interface, from files to files."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
import torch

from fetalt2prep.cli import sense
from fetalt2prep.cli.main import build_parser, run
from fetalt2prep.core.coils import whitener
from fetalt2prep.core.denoise.unet.cascade import DenoisingCascade
from fetalt2prep.core.fourier_op import ifft2c
from fetalt2prep.core.kt.frames import Readouts
from fetalt2prep.core.sense.recon import SensePlan, cg_sense_image, shading
from fetalt2prep.interfaces import sense as interface_sense
from fetalt2prep.interfaces.sense import SenseRecon
from fetalt2prep.io import sense_scan
from fetalt2prep.io.denoiser_weights import save_denoiser
from fetalt2prep.io.ismrmrd import RawSeries, write_ismrmrd
from fetalt2prep.io.sense_raw import read_cartesian
from fetalt2prep.io.sidecar import read_sidecar, slice_times_s
from fetalt2prep.io.volume import read_volume
from fetalt2prep.io.weights import sha256_of, write_card

SIZE = ["--size", "97", "66", "--coils", "6"]


def simulate(folder: Path, *options: str) -> Path:
    path = folder / "scan.h5"
    assert run(["simulate-sense", str(path), *SIZE, *options]) == 0
    return path


def error_of(image: np.ndarray, truth: np.ndarray) -> float:
    """Relative, in the object."""
    inside = truth > 0.1 * truth.max()
    return float(np.linalg.norm((image - truth)[inside]) / np.linalg.norm(truth[inside]))


def zero_filled(path: Path, truth: np.ndarray) -> float:
    """Error of the root sum of squares of what was measured, at its best scale."""
    planes = [torch.linalg.vector_norm(ifft2c(piece.samples), dim=0).T.numpy() for piece in read_cartesian(path).slices]
    image = np.stack(planes, 2)
    return error_of(image * float((image * truth).sum() / (image**2).sum()), truth)


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two slices, every other line, little noise."""
    return simulate(tmp_path_factory.mktemp("raw"), "--slices", "2", "--snr", "60")


def test_an_image_far_better_than_zero_filling(scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "folder" / "image.nii.gz"
    assert run(["sense", str(scan), str(out), "--denoise", "none", "--noise-map"]) == 0
    told = capsys.readouterr()
    assert told.out.split() == [str(out), str(out.with_name("image.json")), str(out.with_name("image_noise.nii.gz"))]
    stages = [line.split()[0] for line in told.err.splitlines()]
    assert stages == ["read", "coil", "CG-SENSE,", "noise", "wrote"]
    image, affine, _ = read_volume(out)
    truth, expected, _ = read_volume(scan.with_name("scan_truth.nii.gz"))
    np.testing.assert_allclose(affine, expected, atol=1e-3)
    assert image.shape == truth.shape == (66, 97, 2)
    assert error_of(image, truth) < 0.3 * zero_filled(scan, truth)
    assert nib.load(out).header["sform_code"] == 1


def test_the_account_tells_what_was_found(scan: Path, tmp_path: Path) -> None:
    assert run(["sense", str(scan), str(tmp_path / "image.nii"), "--denoise", "none", "--seed", "3"]) == 0
    account = json.loads((tmp_path / "image.json").read_text())
    assert account["EchoTime"] == pytest.approx(0.1)
    assert account["SliceThickness"] == 4
    timing = slice_times_s(read_sidecar(tmp_path / "image.nii"), 2, "image.nii")  # the reconstruction reads it so
    assert timing is not None
    assert np.ptp(timing) > 0.2
    assert account["Acceleration"] == pytest.approx(2, abs=0.05)
    assert 1 < account["NetAcceleration"] < 2
    assert account["CalibrationLines"] >= 24
    assert account["PartialFourier"] == 1
    assert account["Coils"] == 6
    assert account["Prewhitened"] is True
    assert account["Options"]["seed"] == 3
    assert account["Method"] == "CG-SENSE"
    assert account["Network"] is None
    assert account["InTrainedRange"] is None
    assert set(account["Versions"]) == {"python", "torch", "numpy"}
    assert account["Notes"] == []


def test_partial_fourier_is_filled_by_its_mirror_image(tmp_path: Path) -> None:
    """Sharper than without: the lines that were left out hold edges."""
    path = simulate(tmp_path, "--partial-fourier", "0.65", "--snr", "100")
    out = tmp_path / "image.nii.gz"
    assert run(["sense", str(path), str(out), "--denoise", "none"]) == 0
    truth = read_volume(path.with_name("scan_truth.nii.gz"))[0]
    raw = read_cartesian(path)
    assert raw.noise is not None
    piece = raw.slices[0].whitened(whitener(raw.noise))
    maps, _ = piece.calibrate()
    plain = cg_sense_image(piece, maps, SensePlan()).abs() * shading(maps, whitener(raw.noise))
    assert error_of(read_volume(out)[0], truth) < 0.75 * error_of(plain.T.numpy()[:, :, None], truth)
    assert json.loads((tmp_path / "image.json").read_text())["PartialFourier"] == pytest.approx(0.65, abs=0.05)


def test_the_lists_of_methods_are_one() -> None:
    """And one weight is the default at every door."""
    assert sense.METHODS == sense_scan.METHODS == interface_sense.METHODS
    assert SenseRecon().inputs.consistency == sense_scan.CONSISTENCY_WEIGHT
    assert (
        f"(default: {sense_scan.CONSISTENCY_WEIGHT:g})"
        in build_parser(["sense"])._actions[-1].choices["sense"].format_help()
    )


def test_the_noise_map_is_the_noise(tmp_path: Path) -> None:
    """Of two scans that differ in the seed alone: the spread of their difference, part by part of the complex."""
    scans = [simulate(tmp_path / str(k), "--snr", "15", "--partial-fourier", "0.8") for k in range(2)]
    noise = [read_cartesian(path).noise for path in scans]
    assert noise[0] is not None
    with h5py.File(scans[1], "r+") as file:  # the same scan with further noise, from the other end of its noise scan
        table = file["dataset/data"][:]
        generator = np.random.default_rng(0)
        covariance = (noise[0] @ noise[0].mH / noise[0].shape[1]).numpy()
        root = np.linalg.cholesky(covariance)
        for row in np.flatnonzero(table["head"]["flags"] != 1 << 18):
            white = generator.standard_normal((2, 6, 132)) / np.sqrt(2)
            more = root @ (white[0] + 1j * white[1])
            table["data"][row] = table["data"][row] + np.ascontiguousarray(more.astype("c8")).view("f4").ravel()
        file["dataset/data"][:] = table
    images = []
    for k, path in enumerate(scans):
        out = tmp_path / f"{k}.nii.gz"
        assert run(["sense", str(path), str(out), "--denoise", "none", "--noise-map"]) == 0
        images.append(read_volume(out)[0])
    sigma, truth = read_volume(tmp_path / "0_noise.nii.gz")[0], read_volume(scans[0].with_name("scan_truth.nii.gz"))[0]
    bright = truth > 0.5 * truth.max()
    ratio = (images[1] - images[0])[bright] / sigma[bright]  # a little more: coil maps are made of noisy lines too
    assert float(np.std(ratio)) == pytest.approx(1.05, abs=0.1)


def test_without_a_noise_scan_it_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = simulate(tmp_path, "--noise-readouts", "0", "--snr", "60")
    assert run(["sense", str(path), str(tmp_path / "image.nii.gz"), "--denoise", "none"]) == 0
    assert "note: no noise scan" in capsys.readouterr().err
    truth = read_volume(path.with_name("scan_truth.nii.gz"))[0]
    assert error_of(read_volume(tmp_path / "image.nii.gz")[0], truth) < 0.3 * zero_filled(path, truth)
    assert json.loads((tmp_path / "image.json").read_text())["Prewhitened"] is False


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network, which adds nothing, with the ranges of a trained one."""
    path = save_denoiser(DenoisingCascade(), tmp_path_factory.mktemp("weights") / "network.safetensors")
    write_card(path, {"ranges": {"acceleration": [1.0, 3.0], "snr": [5.0, 200.0], "matrix": [32, 1024]}})
    return path


def test_the_network_is_tied_to_the_samples(scan: Path, weights: Path, tmp_path: Path) -> None:
    """Untrained, it leaves the image; the tie then takes off the little that CG-SENSE's ridge kept from the samples."""
    images = {}
    for name, options in {"none": ["--denoise", "none"], "tied": [], "free": ["--consistency", "inf"]}.items():
        out = tmp_path / f"{name}.nii.gz"
        network = [] if name == "none" else ["--weights", str(weights)]
        assert run(["sense", str(scan), str(out), *network, *options]) == 0
        images[name] = read_volume(out)[0]
    np.testing.assert_allclose(images["free"], images["none"], atol=1e-3 * images["none"].max())
    assert 1e-4 < error_of(images["tied"], images["none"]) < 0.05
    account = json.loads((tmp_path / "tied.json").read_text())
    assert account["Method"] == "CG-SENSE, network with data consistency"
    assert account["Options"]["consistency"] == sense_scan.CONSISTENCY_WEIGHT
    assert account["Network"] == f"network.safetensors, SHA-256 {sha256_of(weights)}"
    assert account["InTrainedRange"] is True
    assert account["Notes"] == []


def test_the_network_of_the_package_is_worth_it(tmp_path: Path) -> None:
    """Every other line at a signal-to-noise ratio of 10: at most 0.8 of the error of CG-SENSE is left."""
    path = simulate(tmp_path, "--snr", "10", "--size", "128", "120")
    truth, errors = read_volume(path.with_name("scan_truth.nii.gz"))[0], {}
    for method in sense.METHODS:
        out = tmp_path / f"{method}.nii.gz"
        assert run(["sense", str(path), str(out), "--denoise", method]) == 0
        errors[method] = error_of(read_volume(out)[0], truth)
    assert errors["unet"] < 0.8 * errors["none"]
    account = json.loads((tmp_path / "unet.json").read_text())
    assert account["Network"].startswith("denoiser.safetensors, SHA-256 ")
    assert account["Notes"] == []


def test_a_network_without_ranges_is_refused(
    scan: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = tmp_path / "bare.safetensors"
    bare.write_bytes(weights.read_bytes())
    assert run(["sense", str(scan), str(tmp_path / "a.nii"), "--weights", str(bare)]) == 1
    assert "bare.safetensors: bare.json beside it has no ranges of acceleration" in capsys.readouterr().err


def test_a_noise_scan_that_is_too_short_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One readout that repeats one sample: no covariance of six coils."""
    path = simulate(tmp_path, "--noise-readouts", "1")
    with h5py.File(path, "r+") as file:
        table = file["dataset/data"][:]
        table["data"][0] = np.ones_like(table["data"][0])
        file["dataset/data"][:] = table
    assert run(["sense", str(path), str(tmp_path / "image.nii.gz")]) == 1
    told = capsys.readouterr().err
    assert (
        "scan.h5: noise of 6 coils in 132 samples: its covariance cannot be inverted. Is a coil switched off?" in told
    )


def test_a_scan_without_noise(tmp_path: Path) -> None:
    path = simulate(tmp_path, "--snr", "inf")
    assert run(["sense", str(path), str(tmp_path / "image.nii.gz"), "--denoise", "none"]) == 0
    truth = read_volume(path.with_name("scan_truth.nii.gz"))[0]
    assert error_of(read_volume(tmp_path / "image.nii.gz")[0], truth) < 0.2 * zero_filled(path, truth)


def test_without_calibration_lines_it_is_told(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = simulate(tmp_path, "--calibration", "0")
    assert run(["sense", str(path), str(tmp_path / "image.nii.gz"), "--weights", str(weights)]) == 0
    told = capsys.readouterr().err
    assert "note: no calibration lines" in told
    assert "out of the network's range" in told
    assert json.loads((tmp_path / "image.json").read_text())["Method"] == "CG-SENSE"


def test_files_are_not_replaced_and_wrong_lines_are_one_line(
    scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["sense", str(scan), str(tmp_path / "image.nii.gz"), "--denoise", "none"]
    assert [run(line), run(line), run([*line, "--force"])] == [0, 1, 0]
    assert "add --force" in capsys.readouterr().err
    for wrong, message in (
        (["sense", str(tmp_path / "no.h5"), "a.nii"], "no.h5: there is no such file"),
        (["sense", str(scan), "a.nii", "--weights", "no.safetensors"], "no.safetensors: there is no such file"),
        (["sense", str(scan), "a.nii", "--denoise", "none", "--consistency", "1"], "are of the network; leave them"),
        (["sense", str(scan), str(tmp_path / "a.png")], "must end in .nii or .nii.gz"),
        (["sense", str(scan), str(tmp_path / "a.nii"), "--consistency", "0"], "it must be above 0"),
        (["sense", str(scan), str(tmp_path / "a.nii"), "--contrast", "2"], "has no contrast 2"),
        (["simulate-sense", str(scan)], "nothing is overwritten"),
        (["simulate-sense", str(tmp_path / "a.dat")], "must end in .h5"),
        (["simulate-sense", str(tmp_path / "a.h5"), "--partial-fourier", "0.4"], "above 0.5"),
    ):
        assert run(wrong) == 1
        assert message in capsys.readouterr().err


def test_the_interface_leaves_image_noise_and_account(
    scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = SenseRecon(in_file=str(scan), denoise="none").run().outputs
    image, truth = read_volume(Path(found.out_file))[0], read_volume(scan.with_name("scan_truth.nii.gz"))[0]
    assert error_of(image, truth) < 0.3 * zero_filled(scan, truth)
    assert read_volume(Path(found.noise_file))[0].shape == image.shape
    assert json.loads(Path(found.account).read_text())["EchoTime"] == pytest.approx(0.1)
    assert found.notes == []


def test_real_k_space_eight_times_undersampled(
    shared: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beyond the network's range, which is said; CG-SENSE shows the brain: half of what zero filling blurs is back."""
    kspace = torch.from_numpy(np.load(shared / "data" / "kspace-brain" / "cartesian_ksp.npy")).to(torch.complex64)
    n_coils, n_y, n_x = kspace.shape
    readouts = Readouts(
        samples=kspace.transpose(0, 1).contiguous(),
        times_s=torch.arange(n_y, dtype=torch.float64),
        slice_idx=torch.zeros(n_y, dtype=torch.long),
        shape=(n_y, n_x),
        line_idx=torch.arange(n_y),
    )
    raw = RawSeries(readouts, {0: np.diag([1.0, 1.0, 5.0, 1.0])}, 5.0, None, ())
    path = write_ismrmrd(raw, tmp_path / "brain.h5", trajectory="cartesian")
    assert run(["sense", str(path), str(tmp_path / "brain.nii.gz"), "--weights", str(weights)]) == 0
    told = capsys.readouterr().err
    assert "out of the network's range (an acceleration of 8.8" in told
    account = json.loads((tmp_path / "brain.json").read_text())
    assert account["Acceleration"] > 8
    assert account["InTrainedRange"] is False
    assert account["Coils"] == n_coils
    assert "EchoTime" not in account
    image = read_volume(tmp_path / "brain.nii.gz")[0][:, :, 0]
    blurred = torch.linalg.vector_norm(ifft2c(kspace), dim=0).T.numpy()
    inside = np.zeros_like(image, bool)
    inside[50:130, 60:170] = True  # brain, away from the skull

    def sharpness(picture: np.ndarray) -> float:
        slopes = np.gradient(picture / picture[inside].mean())
        return float(np.sqrt(np.mean((slopes[0] ** 2 + slopes[1] ** 2)[inside])))

    assert sharpness(image) > 1.5 * sharpness(blurred)
    assert np.isfinite(image).all()
