"""Cartesian slices of ISMRMRD files: where lines and slices belong, what a header need not hold, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from fetalt2prep.cli.simulate_sense import calibration_of, raw_of
from fetalt2prep.core.kt.frames import without_oversampling
from fetalt2prep.io.ismrmrd import write_ismrmrd
from fetalt2prep.io.ismrmrd_schema import flag
from fetalt2prep.io.sense_raw import RawSlices, read_cartesian
from fetalt2prep.io.sidecar import InputError
from fetalt2prep.sim.cartesian_scan import CartesianOptions, CartesianScan, simulate_cartesian

OPTIONS = CartesianOptions(shape=(33, 24), n_coils=3, n_slices=3, n_calibration=10, te_s=0.15, snr=50)


@pytest.fixture(scope="module")
def scan() -> CartesianScan:
    return simulate_cartesian(OPTIONS, 1)


@pytest.fixture
def path(scan: CartesianScan, tmp_path: Path) -> Path:
    return write_ismrmrd(raw_of(scan), tmp_path / "scan.h5", trajectory="cartesian", calibration=calibration_of(scan))


def change(path: Path, edit: Callable[[Any], Any]) -> None:
    """Edit the table of readouts; what ``edit`` returns takes its place."""
    with h5py.File(path, "r+") as file:
        table = file["dataset/data"][:]
        edited = edit(table)
        del file["dataset/data"]
        file.create_dataset("dataset/data", data=table if edited is None else edited)


def change_header(path: Path, old: str, new: str) -> None:
    with h5py.File(path, "r+") as file:
        text = file["dataset/xml"][0].decode()
        assert old in text
        file["dataset/xml"][0] = text.replace(old, new)


def grid_of(scan: CartesianScan, s: int) -> torch.Tensor:
    n_y, n_x = scan.options.shape
    grid = torch.zeros(scan.options.n_coils, n_y, n_x, dtype=torch.complex64)
    grid[:, torch.from_numpy(scan.lines)] = without_oversampling(scan.samples[s], n_x)
    return grid


def check_samples(raw: RawSlices, scan: CartesianScan, order: tuple[int, ...] = (0, 1, 2)) -> None:
    for piece, s in zip(raw.slices, order, strict=True):
        torch.testing.assert_close(piece.samples, grid_of(scan, s), rtol=1e-4, atol=1e-5)


def test_what_was_simulated_is_read(scan: CartesianScan, path: Path) -> None:
    raw = read_cartesian(path)
    check_samples(raw, scan)
    assert raw.noise is not None
    torch.testing.assert_close(raw.noise, scan.noise)
    assert raw.crop == (33, 24)
    assert raw.averages == 1
    assert raw.notes == ()
    assert raw.meta["EchoTime"] == pytest.approx(0.15)
    n_lines = len(scan.lines)
    assert raw.meta["SliceTiming"] == pytest.approx([0, 0.005 * n_lines, 0.01 * n_lines], abs=1e-3)
    np.testing.assert_allclose(np.diag(raw.affine)[:3], [320 / 24, 320 / 33, 4.0], rtol=1e-5)
    np.testing.assert_allclose(raw.affine @ [12, 16, 1, 1], [0, 0, 0, 1], atol=1e-4)
    calibration = raw.slices[0].calibration
    assert calibration is not None
    assert int((calibration.abs().sum((0, 2)) > 0).sum()) == 10


def test_slices_lie_where_they_were_whatever_their_numbers(scan: CartesianScan, path: Path) -> None:
    swap = np.array([2, 0, 1], np.uint16)

    def renumber(table: Any) -> None:
        image = table["head"]["flags"] != flag("noise")
        table["head"]["idx"]["slice"][image] = swap[table["head"]["idx"]["slice"][image]]

    before = read_cartesian(path)
    change(path, renumber)
    raw = read_cartesian(path)
    check_samples(raw, scan)
    np.testing.assert_allclose(raw.affine, before.affine, atol=1e-4)


def test_averages_are_averaged(scan: CartesianScan, path: Path) -> None:
    def twice(table: Any) -> Any:
        image = table[table["head"]["flags"] != flag("noise")].copy()
        for row in range(len(image)):
            image["data"][row] = 3 * image["data"][row]
        return np.concatenate((table, image))

    change(path, twice)
    raw = read_cartesian(path)
    assert raw.averages == 2
    torch.testing.assert_close(raw.slices[0].samples, 2 * grid_of(scan, 0), rtol=1e-4, atol=1e-4)


def test_separate_calibration_lines_are_no_part_of_the_image(scan: CartesianScan, path: Path) -> None:
    """Without the header's word for embedded, lines of calibration alone make maps only."""
    change_header(path, "embedded", "separate")

    def only(table: Any) -> None:
        head = table["head"]
        head["flags"][head["flags"] == flag("parallel_calibration_and_imaging")] = flag("parallel_calibration")

    change(path, only)
    raw = read_cartesian(path)
    lines = raw.slices[0].mask.any(1)
    assert not lines[scan.lines[scan.is_calibration]].any()
    assert raw.slices[0].calibration is not None


def test_a_late_echo_is_filled_with_zeros(scan: CartesianScan, path: Path) -> None:
    """The first 8 of 48 samples were not read out; the header says where the centre lies."""

    def late(table: Any) -> None:
        for row in range(len(table)):
            data = table["data"][row].view("c8").reshape(3, 48)[:, 8:]
            table["data"][row] = np.ascontiguousarray(data).view("f4").ravel()
            table["head"]["number_of_samples"][row] = 40
            table["head"]["center_sample"][row] = 16

    change(path, late)
    raw = read_cartesian(path)
    whole = scan.samples[0].clone()
    whole[..., :8] = 0
    found = raw.slices[0].samples[:, torch.from_numpy(scan.lines)]
    torch.testing.assert_close(found, without_oversampling(whole, 24), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("centre", [28, 0])
def test_samples_to_discard_are_those_acquired_first_and_last(scan: CartesianScan, path: Path, centre: int) -> None:
    """Four before the readout and two after it, every second readout backwards; the centre may be missing."""

    def longer(table: Any) -> None:
        for row in range(len(table)):
            data = table["data"][row].view("c8").reshape(3, 48)
            data = data[:, :: -1 if row % 2 else 1]
            data = np.concatenate((np.full((3, 4), 99, "c8"), data, np.full((3, 2), 99, "c8")), 1)
            table["data"][row] = data.view("f4").ravel()
            head = table["head"]
            head["number_of_samples"][row], head["center_sample"][row] = 54, centre
            head["discard_pre"][row], head["discard_post"][row] = 4, 2
            head["flags"][row] |= flag("reverse") if row % 2 else 0

    change(path, longer)
    check_samples(read_cartesian(path), scan)


def test_the_middle_of_whole_readouts_may_be_counted_either_way(scan: CartesianScan, path: Path) -> None:
    change(path, lambda table: table["head"]["center_sample"].__setitem__(slice(None), 23))
    check_samples(read_cartesian(path), scan)


def test_bandwidths_scale_the_noise(scan: CartesianScan, path: Path) -> None:
    """Noise read four times as slowly has half the standard deviation it has in the image."""

    def dwell(table: Any) -> None:
        noise = table["head"]["flags"] == flag("noise")
        table["head"]["sample_time_us"] = np.where(noise, 20.0, 5.0)

    change(path, dwell)
    raw = read_cartesian(path)
    assert raw.noise is not None
    torch.testing.assert_close(raw.noise, 2 * scan.noise)


def test_phase_oversampling_is_cut_off(path: Path) -> None:
    """A field of view twice as high as the image's: the grid has twice the lines, the image keeps its own."""
    change_header(
        path, "<y>320</y><z>4</z></fieldOfView_mm></encodedSpace>", "<y>640</y><z>4</z></fieldOfView_mm></encodedSpace>"
    )
    raw = read_cartesian(path)
    assert raw.slices[0].mask.shape == (66, 24)
    assert raw.crop == (33, 24)


def test_points_of_zeros_were_not_measured(scan: CartesianScan, path: Path) -> None:
    plain = replace(
        raw_of(scan),
        readouts=replace(raw_of(scan).readouts, samples=raw_of(scan).readouts.samples[..., :24].clone(), noise=None),
    )
    plain.readouts.samples[..., ::3] = 0
    raw = read_cartesian(write_ismrmrd(plain, path.with_name("points.h5"), trajectory="cartesian"))
    assert not raw.slices[0].mask[:, ::3].any()
    assert raw.slices[0].mask[16, 1::3].all()
    assert any("no noise scan" in note for note in raw.notes)


def test_contrasts_are_chosen(scan: CartesianScan, path: Path) -> None:
    def second(table: Any) -> Any:
        other = table[table["head"]["flags"] != flag("noise")].copy()
        other["head"]["idx"]["contrast"] = 1
        for row in range(len(other)):
            other["data"][row] = 0.5 * other["data"][row]
        return np.concatenate((table, other))

    change(path, second)
    change_header(path, "<TE>150</TE>", "<TE>150</TE><TE>300</TE>")
    with pytest.raises(InputError, match=r"scan.h5: has contrasts \[0, 1\]; choose one with --contrast"):
        read_cartesian(path)
    raw = read_cartesian(path, contrast=1)
    torch.testing.assert_close(raw.slices[0].samples, 0.5 * grid_of(scan, 0), rtol=1e-4, atol=1e-5)
    assert raw.meta["EchoTime"] == pytest.approx(0.3)
    with pytest.raises(InputError, match=r"has no contrast 5, but \[0, 1\]"):
        read_cartesian(path, contrast=5)


def set_field(name: str, value: int, counter: bool = False) -> Callable[[Any], None]:
    def edit(table: Any) -> None:
        head = table["head"]["idx"] if counter else table["head"]
        head[name][-1] = value

    return edit


def move_last_slice(table: Any) -> None:
    table["head"]["position"][table["head"]["idx"]["slice"] == 2] += np.float32([0, 0, 9])


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (set_field("kspace_encode_step_1", 40, counter=True), "lines 0 to 40 lie outside the 33 of the matrix"),
        (set_field("kspace_encode_step_2", 1, counter=True), "is encoded in three dimensions"),
        (set_field("set", 1, counter=True), "has several values of set"),
        (set_field("repetition", 1, counter=True), r"has repetitions \[0, 1\]; choose one with --repetition"),
        (set_field("center_sample", 3), "readouts differ in"),
        (lambda t: t["head"]["flags"].__setitem__(slice(None), flag("noise")), "Is it a noise scan"),
        (lambda t: t["data"][-1].__setitem__(0, np.nan), "holds NaN"),
        (lambda t: t["head"]["center_sample"].__setitem__(slice(None), 40), "do not fit into the encoded matrix of 48"),
        (move_last_slice, "evenly spaced"),
    ],
)
def test_what_cannot_be_used_is_refused(path: Path, edit: Callable[[Any], Any], message: str) -> None:
    change(path, edit)
    with pytest.raises(InputError, match=message):
        read_cartesian(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("reconSpace>", "space>", "its XML header has no encoding/reconSpace/matrixSize/y"),
        ("<y>33</y>", "<y>many</y>", "is 'many', not a whole number"),
        ("cartesian", "radial", "its trajectory is radial; Cartesian lines are needed. fetalt2 kt-recon"),
        ("</ismrmrdHeader>", "", "cannot be read as ISMRMRD"),
    ],
)
def test_headers_that_say_too_little(path: Path, old: str, new: str, message: str) -> None:
    change_header(path, old, new)
    with pytest.raises(InputError, match=message):
        read_cartesian(path)


def test_a_file_cut_off_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"scan.h5: cannot be read as ISMRMRD"):
        read_cartesian(path)


def test_slices_at_one_place_are_laid_side_by_side(path: Path) -> None:
    change(path, lambda table: table["head"]["position"].__setitem__(slice(None), 0))
    raw = read_cartesian(path)
    assert raw.affine[2, 2] == pytest.approx(4)
    assert any("at one place" in note for note in raw.notes)
