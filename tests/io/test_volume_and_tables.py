from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fetalt2prep.io.tables import read_tsv, write_tsv
from fetalt2prep.io.volume import read_volume, save_volume

from .conftest import AFFINE, SHAPE


@pytest.mark.parametrize("dtype", ["f4", "u1"])
def test_a_volume_comes_back_bit_by_bit(tmp_path: Path, dtype: str) -> None:
    values = np.random.default_rng(0).uniform(0, 200, SHAPE).astype(dtype)
    path = save_volume(values, AFFINE, tmp_path / "v.nii.gz", dtype)
    back, affine, notes = read_volume(path)
    np.testing.assert_array_equal(back, values)
    np.testing.assert_allclose(affine, AFFINE, atol=1e-5)
    assert notes == []
    header = nib.load(path).header
    assert header.get_xyzt_units()[0] == "mm"
    assert (int(header["sform_code"]), int(header["qform_code"])) == (1, 1)
    assert header.get_data_dtype() == np.dtype(dtype)


def test_nan_survives(tmp_path: Path) -> None:
    values = np.full(SHAPE, np.nan, "f4")
    assert np.isnan(read_volume(save_volume(values, AFFINE, tmp_path / "v.nii.gz"))[0]).all()


def test_a_file_without_a_place_is_noted(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.ones(SHAPE, "f4"), None)
    image.header.set_zooms((1.5, 1.5, 4.0))
    image.to_filename(tmp_path / "v.nii")
    assert "neither sform nor qform" in read_volume(tmp_path / "v.nii")[2][0]


def test_table_round_trip_with_missing_values(tmp_path: Path) -> None:
    columns = {
        "stack": ["a", "b\tc\nd"],
        "time_s": np.array([0.125, np.nan]),
        "n": np.array([3, 4]),
        "notes": ["", None],
        "ok": [True, np.bool_(False)],
    }
    back = read_tsv(write_tsv(columns, tmp_path / "t.tsv"))
    assert back == {
        "stack": ["a", "b c d"],
        "time_s": ["0.125", "n/a"],
        "n": ["3", "4"],
        "notes": ["n/a", "n/a"],
        "ok": ["true", "false"],
    }


def test_columns_of_different_length_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"t\.tsv: columns differ in length"):
        write_tsv({"a": [1], "b": [1, 2]}, tmp_path / "t.tsv")


def test_an_empty_table_keeps_its_header(tmp_path: Path) -> None:
    assert read_tsv(write_tsv({"a": [], "b": []}, tmp_path / "t.tsv")) == {"a": [], "b": []}
