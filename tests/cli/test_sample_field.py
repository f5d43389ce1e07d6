"""``fetalt2 sample-field``: grids asked for are written, and nothing is replaced unasked."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fetalt2prep.cli.main import run
from fetalt2prep.io.field_file import save_field
from fetalt2prep.io.volume import save_volume
from tests.io.test_field_file import new_field


@pytest.fixture
def field(tmp_path: Path) -> Path:
    return save_field(new_field(), tmp_path / "sub-01_field.safetensors")


def names(folder: Path) -> set[str]:
    return {path.name.removesuffix(".nii.gz") for path in folder.iterdir()}


KINDS = {"echo-1_T2w", "echo-2_T2w", "echo-3_T2w", "mask", "T2map", "S0map", "desc-uncertainty_T2map"}


def test_every_resolution_has_its_files(field: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a" / "out"
    assert run(["sample-field", str(field), str(out), "--resolution", "0.8", "1"]) == 0
    assert names(out) == {f"res-{label}_{kind}" for label in ("0p8mm", "1mm") for kind in KINDS}
    assert len(capsys.readouterr().out.splitlines()) == 2 * len(KINDS)
    image = nib.load(out / "res-0p8mm_T2map.nii.gz")
    assert image.header.get_zooms() == pytest.approx((0.8, 0.8, 0.8))
    inside = nib.load(out / "res-0p8mm_mask.nii.gz").get_fdata() > 0
    t2_s = image.get_fdata()
    assert np.isnan(t2_s[~inside]).all()
    first, last = (nib.load(out / f"res-0p8mm_echo-{n}_T2w.nii.gz").get_fdata() for n in (1, 3))
    known = np.isfinite(t2_s)
    np.testing.assert_allclose(np.log(first[known] / last[known]), 0.2 / t2_s[known], rtol=1e-3)  # an exact decay


def test_a_volume_gives_its_grid(field: Path, tmp_path: Path) -> None:
    affine = np.array([[0.0, 1.1, 0.0, -4.0], [0.9, 0.0, 0.2, 5.0], [0.0, 0.0, 1.3, 10.0], [0.0, 0.0, 0.0, 1.0]])
    like = save_volume(np.zeros((4, 5, 6)), affine, tmp_path / "like.nii.gz")
    out = tmp_path / "out"
    assert run(["sample-field", str(field), str(out), "--like", str(like)]) == 0
    assert names(out) == KINDS
    image = nib.load(out / "echo-1_T2w.nii.gz")
    assert image.shape == (4, 5, 6)
    np.testing.assert_allclose(image.affine, affine, atol=1e-5)
    assert image.get_fdata().max() > 0


def test_refusals_say_the_way_out(field: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"

    def refused(*arguments: str) -> str:
        assert run(["sample-field", str(field), str(out), *arguments]) == 1
        return capsys.readouterr().err

    assert "--resolution" in refused()
    assert not out.exists()
    assert "0.1 to 10 mm" in refused("--resolution", "0")
    far = save_volume(
        np.zeros((4, 4, 4)), np.diag([1.0, 1.0, 1.0, 1.0]) + 900 * np.eye(4, k=3), tmp_path / "far.nii.gz"
    )
    assert "no voxel of the brain" in refused("--like", str(far))
    assert run(["sample-field", str(field), str(out), "--resolution", "1"]) == 0
    capsys.readouterr()
    assert "--force" in refused("--resolution", "1")
    assert run(["sample-field", str(field), str(out), "--resolution", "1", "--force"]) == 0
