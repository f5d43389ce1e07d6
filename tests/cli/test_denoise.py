"""``fetalt2 denoise``: any NIfTI file, on its own scale and grid, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fetalt2prep.cli.main import run
from fetalt2prep.core.denoise.options import DENOISERS, SERIES_METHOD

SIGMA = 6.0
AFFINE = np.array([[-1.2, 0.1, 0, 30], [0.1, 1.2, 0, -20], [0, 0, 4.0, 7], [0, 0, 0, 1]])


def truth(shape: tuple[int, int, int] = (40, 37, 3)) -> np.ndarray:
    x, y, _ = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    radius = np.hypot(x - shape[0] / 2, y - shape[1] / 2)
    return np.select([radius < 6, radius < 15], [180.0, 120.0], 40.0)


def noisy(shape: tuple[int, int, int] = (40, 37, 3), seed: int = 0) -> np.ndarray:
    return truth(shape) + np.random.default_rng(seed).normal(0, SIGMA, shape)


def write(pixels: np.ndarray, path: Path, dtype: str = "f4") -> Path:
    image = nib.Nifti1Image(pixels.astype(dtype), AFFINE)
    image.set_sform(AFFINE, code=2)
    image.header["descrip"] = b"from a scanner"
    nib.save(image, path)
    return path


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    path = write(noisy(), tmp_path / "stack.nii.gz")
    (tmp_path / "stack.json").write_text('{"EchoTime": 0.1}')
    return path


@pytest.mark.parametrize("method", [name for name in DENOISERS if name != "none"])
def test_less_noise_on_the_same_grid(method: str, stack: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "less.nii.gz"
    assert run(["denoise", str(stack), str(out), "--method", method]) == 0
    before, after = nib.load(stack), nib.load(out)
    error = [float(np.sqrt(np.mean((image.get_fdata() - truth()) ** 2))) for image in (before, after)]
    assert error[1] < 0.8 * error[0]
    np.testing.assert_array_equal(after.affine, before.affine)
    assert after.header["sform_code"] == 2
    assert bytes(after.header["descrip"]).startswith(b"from a scanner")
    assert after.get_data_dtype() == np.float32
    account = json.loads((tmp_path / "new" / "less.json").read_text())
    assert account["EchoTime"] == 0.1
    assert account["Denoising"] == method
    assert account["NoiseSigma"] == pytest.approx(SIGMA, rel=0.2)
    assert account["DenoisingSource"] == "stack.nii.gz"


def test_none_changes_nothing_and_a_given_sigma_counts(stack: Path, tmp_path: Path) -> None:
    for name, options in {"none": ["--method", "none"], "mild": ["--sigma", "2"], "own": []}.items():
        assert run(["denoise", str(stack), str(tmp_path / f"{name}.nii"), *options]) == 0
    pixels = {name: nib.load(tmp_path / f"{name}.nii").get_fdata() for name in ("none", "mild", "own")}
    before = nib.load(stack).get_fdata()
    np.testing.assert_array_equal(pixels["none"], before)
    assert 0 < np.abs(pixels["mild"] - before).mean() < 0.7 * np.abs(pixels["own"] - before).mean()


@pytest.mark.parametrize(("dtype", "kept"), [("i2", "f4"), ("u1", "f4"), ("f8", "f8"), ("f4", "f4")])
def test_types_of_pixels(dtype: str, kept: str, tmp_path: Path) -> None:
    """Rounding is noise again, so whole numbers become floats; a scale in the header is applied, then taken off."""
    path = write(noisy(), tmp_path / "a.nii", dtype)
    if dtype == "i2":
        image = nib.Nifti1Image(noisy(), AFFINE)
        image.set_data_dtype(np.int16)
        nib.save(image, path)  # nibabel scales to the full range
        assert nib.load(path).dataobj.slope != 1
    assert run(["denoise", str(path), str(tmp_path / "b.nii")]) == 0
    after = nib.load(tmp_path / "b.nii")
    assert after.get_data_dtype() == np.dtype(kept)
    assert after.dataobj.slope == 1
    assert float(np.sqrt(np.mean((after.get_fdata() - truth()) ** 2))) < 0.8 * SIGMA


def test_volumes_have_noise_of_their_own(tmp_path: Path) -> None:
    series = np.stack([truth() + k * (noisy(seed=k) - truth()) for k in (1, 3)], 3)
    path = write(series, tmp_path / "series.nii.gz")
    assert run(["denoise", str(path), str(tmp_path / "less.nii.gz")]) == 0
    assert nib.load(tmp_path / "less.nii.gz").shape == series.shape
    sigmas = json.loads((tmp_path / "less.json").read_text())["NoiseSigma"]
    assert sigmas == pytest.approx([SIGMA, 3 * SIGMA], rel=0.2)


def test_one_slice_is_enough(tmp_path: Path) -> None:
    for name, pixels in {"plane": noisy()[:, :, 0], "slice": noisy()[:, :, :1]}.items():
        path = write(pixels, tmp_path / f"{name}.nii.gz")
        assert run(["denoise", str(path), str(tmp_path / f"{name}_less.nii.gz")]) == 0
        after = nib.load(tmp_path / f"{name}_less.nii.gz")
        assert after.shape == pixels.shape
        assert np.std(after.get_fdata().ravel() - truth()[:, :, 0].ravel()) < 0.8 * SIGMA


def test_a_long_series_by_its_principal_components(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plane = truth()[:20, :19, :1]
    series = plane[..., None] + np.random.default_rng(0).normal(0, SIGMA, (20, 19, 1, 24))
    path = write(series, tmp_path / "series.nii")
    out = tmp_path / "less.nii"
    assert run(["denoise", str(path), str(out), "--method", SERIES_METHOD]) == 0
    assert np.std(nib.load(out).get_fdata() - plane[..., None]) < 0.5 * SIGMA
    assert json.loads((tmp_path / "less.json").read_text())["NoiseSigma"] == pytest.approx(SIGMA, rel=0.1)
    assert run(["denoise", str(path), str(out), "--method", SERIES_METHOD, "--sigma", "3", "--force"]) == 1
    assert "leave --sigma out" in capsys.readouterr().err
    short = write(series[..., :5], tmp_path / "short.nii")
    assert run(["denoise", str(short), str(tmp_path / "c.nii"), "--method", SERIES_METHOD]) == 1
    assert "short.nii: The series has shape (20, 19, 1, 5)" in capsys.readouterr().err


def test_a_mask_leaves_the_rest(stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inside = np.zeros((40, 37, 3))
    inside[18:22, 17:20, 1] = 1
    mask = write(inside, tmp_path / "mask.nii.gz", "u1")
    assert run(["denoise", str(stack), str(tmp_path / "a.nii"), "--mask", str(mask)]) == 0
    before, after = nib.load(stack).get_fdata(), nib.load(tmp_path / "a.nii").get_fdata()
    np.testing.assert_array_equal(after[:, :, 0], before[:, :, 0])
    assert (after[:, :, 1] != before[:, :, 1]).any()
    for name, wrong, message in (
        ("small", inside[:-1], "small.nii.gz: is 39 x 37 x 3, the image is 40 x 37 x 3"),
        ("empty", 0 * inside, "empty.nii.gz: is empty"),
    ):
        path = write(wrong, tmp_path / f"{name}.nii.gz", "u1")
        assert run(["denoise", str(stack), str(tmp_path / "b.nii"), "--mask", str(path)]) == 1
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("pixels", "dtype", "message"),
    [
        (np.where(np.indices((9, 9, 2)).sum(0) == 3, np.nan, 1.0), "f4", "7 of 162 pixels are NaN or infinite"),
        (noisy(), "c8", "its pixels are not real numbers (complex64)"),
        (np.ones((9, 9, 2)), "f4", "no noise is seen in volume 0"),
        (np.ones((2, 9, 2)), "f4", "has slices of 2 x 9 pixels"),
        (np.ones((5, 5, 2, 2, 2)), "f4", "has shape 5 x 5 x 2 x 2 x 2"),
    ],
)
def test_what_cannot_be_denoised_is_one_line(
    pixels: np.ndarray, dtype: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(pixels, tmp_path / "image.nii.gz", dtype)
    assert run(["denoise", str(path), str(tmp_path / "out.nii.gz")]) == 1
    told = capsys.readouterr().err
    assert told.startswith("fetalt2 denoise: error: image.nii.gz: ")
    assert message in told
    assert told.count("\n") == 1
    assert not (tmp_path / "out.nii.gz").exists()


def test_files_cut_off_or_missing_or_there_already(
    stack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "cut.nii.gz"
    cut.write_bytes(stack.read_bytes()[: stack.stat().st_size // 2])
    (tmp_path / "text.nii.gz").write_text("no image")
    out = str(tmp_path / "out.nii.gz")
    for line, message in (
        ([str(cut), out], "cut.nii.gz: its pixels cannot be read"),
        ([str(tmp_path / "text.nii.gz"), out], "text.nii.gz: cannot be read as NIfTI"),
        ([str(tmp_path / "no.nii"), out], "no.nii: there is no such file"),
        ([str(stack), str(tmp_path / "out.png")], "must end in .nii or .nii.gz"),
        ([str(stack), str(stack), "--force"], "its stack.json is that of stack.nii.gz"),
        ([str(stack), str(tmp_path / "stack.nii"), "--force"], "its stack.json is that of stack.nii.gz"),
        ([str(stack), out, "--method", "unet", "--weights", str(tmp_path / "w")], "w: there is no such file"),
        ([str(stack), out, "--weights", str(cut)], "--weights are of the network; leave them out with --method nlm"),
        ([str(stack), out, "--sigma", "-1"], "--sigma is -1.0; it must be above 0"),
    ):
        assert run(["denoise", *line]) == 1
        assert message in capsys.readouterr().err
    assert run(["denoise", str(stack), out]) == 0
    assert run(["denoise", str(stack), out]) == 1
    assert run(["denoise", str(stack), out, "--force"]) == 0
    (tmp_path / "other.json").write_text("[]")
    assert run(["denoise", str(stack), str(tmp_path / "other.nii")]) == 1
    assert "other.json: is there already" in capsys.readouterr().err
    (tmp_path / "stack.json").write_text("[]")
    assert run(["denoise", str(stack), str(tmp_path / "new.nii")]) == 1
    assert "stack.json: holds a JSON list" in capsys.readouterr().err
    assert not (tmp_path / "new.nii").exists()
