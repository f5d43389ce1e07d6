"""ISMRMRD files: round trips, what a file need not hold, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from fetalt2prep.cli.simulate_kt import raw_of
from fetalt2prep.io.ismrmrd import RawSeries, read_ismrmrd, write_ismrmrd
from fetalt2prep.io.ismrmrd_schema import ACQUISITION_HEADER
from fetalt2prep.io.kt_numpy import read_npz
from fetalt2prep.io.sidecar import InputError
from fetalt2prep.sim.dynamic_scan import DynamicOptions, simulate_dynamic

SMALL = DynamicOptions(n=16, n_frames=3, n_coils=2, readouts_per_frame=4, slices_z=(-0.05, 0.05), fov_mm=320.0)


@pytest.fixture(scope="module", params=["radial", "cartesian"])
def raw(request: pytest.FixtureRequest) -> RawSeries:
    return replace(raw_of(simulate_dynamic(replace(SMALL, sampling=request.param), 1)), te_s=0.08)


@pytest.fixture(scope="module")
def radial() -> RawSeries:
    return raw_of(simulate_dynamic(SMALL, 1))


def kind_of(raw: RawSeries) -> str:
    return "cartesian" if raw.readouts.k_per_pixel is None else "radial"


def test_what_is_written_is_read(raw: RawSeries, tmp_path: Path) -> None:
    back = read_ismrmrd(write_ismrmrd(raw, tmp_path / "scan.h5", trajectory=kind_of(raw)))
    for name in ("samples", "slice_idx", "frame_idx", "line_idx", "k_per_pixel", "noise"):
        expected, found = getattr(raw.readouts, name), getattr(back.readouts, name)
        assert (expected is None and found is None) or torch.allclose(found, expected, atol=1e-6), name
    first = raw.readouts.times_s.min()
    assert torch.allclose(back.readouts.times_s, raw.readouts.times_s - first, atol=1e-6)
    assert back.readouts.shape == (16, 16)
    assert back.te_s == pytest.approx(0.08)
    assert back.thickness_mm == pytest.approx(raw.thickness_mm)
    for number, affine in raw.affines.items():
        np.testing.assert_allclose(back.affines[number], affine, atol=1e-4)


def test_the_layout_is_that_of_the_format(radial: RawSeries, tmp_path: Path) -> None:
    """Offsets of version 1 of the format: the header takes 340 bytes."""
    assert ACQUISITION_HEADER.itemsize == 340
    with h5py.File(write_ismrmrd(radial, tmp_path / "scan.h5")) as file:
        assert set(file["dataset/data"].dtype.names) == {"head", "traj", "data"}
        assert b"<trajectory>radial</trajectory>" in file["dataset/xml"][0]


def test_without_trajectory_the_golden_angle_is_taken(radial: RawSeries, tmp_path: Path) -> None:
    back = read_ismrmrd(write_ismrmrd(radial, tmp_path / "scan.h5", store_trajectory=False))
    assert back.readouts.k_per_pixel is not None
    assert radial.readouts.k_per_pixel is not None
    assert torch.allclose(back.readouts.k_per_pixel, radial.readouts.k_per_pixel, atol=1e-4)
    assert "golden-angle" in back.notes[0]


def test_a_spiral_without_trajectory_is_refused(radial: RawSeries, tmp_path: Path) -> None:
    path = write_ismrmrd(radial, tmp_path / "scan.h5", trajectory="spiral", store_trajectory=False)
    with pytest.raises(InputError, match=r"scan.h5: a spiral scan without its trajectory"):
        read_ismrmrd(path)


def test_navigators_are_left_out(radial: RawSeries, tmp_path: Path) -> None:
    path = write_ismrmrd(radial, tmp_path / "scan.h5")
    with h5py.File(path, "r+") as file:
        table = file["dataset/data"][:]
        table["head"]["flags"][-1] = 1 << 22
        file["dataset/data"][:] = table
    assert len(read_ismrmrd(path).readouts.samples) == len(radial.readouts.samples) - 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table["data"][-1].__setitem__(0, np.nan), "holds NaN"),
        (lambda table: table["head"]["active_channels"].__setitem__(-1, 1), "differ in"),
        (lambda table: table["head"]["flags"].__setitem__(slice(None), 1 << 18), "none of its 32 readouts"),
        (lambda table: table["traj"].__setitem__(-1, 7.0 * np.ones(64, "<f4")), "reaches 7"),
    ],
)
def test_what_cannot_be_used_is_refused(radial: RawSeries, tmp_path: Path, change, message: str) -> None:
    path = write_ismrmrd(radial, tmp_path / "scan.h5")
    with h5py.File(path, "r+") as file:
        table = file["dataset/data"][:]
        change(table)
        file["dataset/data"][:] = table
    with pytest.raises(InputError, match=message):
        read_ismrmrd(path)


def test_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scan.h5").write_text("no")
    with pytest.raises(InputError, match="cannot be read as ISMRMRD"):
        read_ismrmrd(tmp_path / "scan.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["images"] = 1
    with pytest.raises(InputError, match="no group 'dataset'"):
        read_ismrmrd(tmp_path / "other.h5")


def test_numpy_files_hold_the_same(radial: RawSeries, tmp_path: Path) -> None:
    r = radial.readouts
    arrays = {"samples": r.samples, "k_per_pixel": r.k_per_pixel, "slice_idx": r.slice_idx, "frame_idx": r.frame_idx}
    np.savez(tmp_path / "scan.npz", shape=(16, 16), pixel_mm=20.0, thickness_mm=4.0, **arrays)
    back = read_npz(tmp_path / "scan.npz")
    assert torch.equal(back.readouts.samples, r.samples)
    assert back.affines[1][:3, 3].tolist() == [0, 0, 4]
    np.savez(tmp_path / "bad.npz", shape=(16, 16), signal=np.zeros(3))
    with pytest.raises(InputError, match=r"missing \['samples'\], unknown \['signal'\]"):
        read_npz(tmp_path / "bad.npz")
