"""Volumes of larger files, and volumes that another program reconstructed."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fetalt2prep.interfaces.split import SplitVolumes
from fetalt2prep.interfaces.volumes import CheckVolumes
from fetalt2prep.io.sidecar import InputError

SHAPE = (6, 7, 8)


def volume(path: Path, value: float, affine: np.ndarray | None = None, shape: tuple[int, ...] = SHAPE) -> str:  # type: ignore[type-arg]
    values = np.zeros(shape, "f4")
    values[1:4, 1:4, 1:4] = value
    nib.save(nib.Nifti1Image(values, np.eye(4) if affine is None else affine), path)
    return str(path)


def test_a_volume_keeps_its_values_and_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    values = np.arange(2 * np.prod(SHAPE), dtype="i2").reshape(*SHAPE, 2)
    affine = np.diag([1.5, 1.5, 4.0, 1.0])
    affine[:3, 3] = 7, 8, 9
    image = nib.Nifti1Image(values, affine)
    image.header.set_slope_inter(0.5, 3)
    nib.save(image, tmp_path / "both.nii.gz")
    single = volume(tmp_path / "one.nii.gz", 1)
    files = [str(tmp_path / "both.nii.gz")] * 2 + [single]
    found = SplitVolumes(in_files=files, volumes=[1, 0, None], names=["b", "a", "one"]).run().outputs.out_files
    assert [Path(path).name for path in found] == ["b.nii.gz", "a.nii.gz", "one.nii.gz"]
    assert found[2] == single
    taken, whole = nib.load(found[0]), nib.load(files[0])
    assert np.array_equal(taken.get_fdata(), whole.get_fdata()[..., 1])
    assert np.array_equal(taken.affine, affine)
    with pytest.raises(InputError, match="no volume 2"):
        SplitVolumes(in_files=files[:1], volumes=[2], names=["c"]).run()


def test_volumes_are_ordered_and_masked_where_all_are_positive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = [volume(tmp_path / f"{te}.nii.gz", 100 - te) for te in (30, 10, 20)]
    found = CheckVolumes(in_files=files, echo_times_s=[0.3, 0.1, 0.2]).run().outputs
    assert found.te_s == [0.1, 0.2, 0.3]
    assert [Path(path).name for path in found.out_files] == ["10.nii.gz", "20.nii.gz", "30.nii.gz"]
    assert nib.load(found.mask_file).get_fdata().sum() == 27
    assert json.loads(Path(found.info_file).read_text())["given"] == ["10.nii.gz", "20.nii.gz", "30.nii.gz"]


def test_a_mask_on_another_grid_is_resampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = [volume(tmp_path / f"{te}.nii.gz", te) for te in (1, 2)]
    mask = volume(tmp_path / "mask.nii.gz", 1, np.diag([2.0, 2.0, 2.0, 1.0]), (3, 3, 3))
    found = CheckVolumes(in_files=files, echo_times_s=[0.1, 0.2], in_mask=mask).run().outputs
    assert nib.load(found.mask_file).shape == SHAPE


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"shape": (6, 7, 9)}, "not on the grid of 1.nii.gz"),
        ({"affine": np.diag([1.1, 1.0, 1.0, 1.0])}, "not on the grid of 1.nii.gz"),
        ({"value": -1}, "no voxel is above zero at all echo times"),
    ],
)
def test_what_cannot_be_used_together(
    how: dict[str, object], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = volume(tmp_path / "1.nii.gz", 1)
    second = volume(tmp_path / "2.nii.gz", **{"value": 2, **how})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=said):
        CheckVolumes(in_files=[first, second], echo_times_s=[0.1, 0.2]).run()
