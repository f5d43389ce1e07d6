from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fetalt2prep.io.sidecar import (
    InputError,
    echo_time_s,
    read_sidecar,
    slice_direction,
    slice_times_s,
    thickness_mm,
    together,
)

NAME = "sub-01_T2w.nii.gz"


def test_sidecar_is_read_from_beside_the_image(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"EchoTime": 0.1}))
    assert read_sidecar(tmp_path / "a.nii.gz") == read_sidecar(tmp_path / "a.nii") == {"EchoTime": 0.1}
    assert read_sidecar(tmp_path / "b.nii.gz") == {}
    (tmp_path / "c.json").write_bytes(b'\xef\xbb\xbf{"EchoTime": 0.1}')  # the mark that Windows puts in front
    assert read_sidecar(tmp_path / "c.nii.gz") == {"EchoTime": 0.1}


@pytest.mark.parametrize("text", ['{"EchoTime": 0.1', "[1, 2]", "\xff"])
def test_broken_sidecar_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"^a\.json: "):
        read_sidecar(tmp_path / "a.nii.gz")


def test_echo_time_in_seconds_is_taken() -> None:
    assert echo_time_s({"EchoTime": 0.397}, NAME) == 0.397
    assert echo_time_s({"EchoTime": 1}, NAME) == 1.0


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        ({}, "missing"),
        ({"EchoTime": 397}, r"397; BIDS wants seconds.*milliseconds.*0\.397"),
        ({"EchoTime": "0.3"}, "'0.3', not a number"),
        ({"EchoTime": True}, "True, not a number"),
        ({"EchoTime": [0.1, 0.2]}, "not a number"),
        ({"EchoTime": float("nan")}, "nan, not a number"),
        ({"EchoTime": None}, "None, not a number"),
        ({"EchoTime": 0}, "0 s; it must be positive"),
        ({"EchoTime": -0.1}, "must be positive"),
    ],
)
def test_unusable_echo_time_says_file_value_and_way_out(meta: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=rf"^sub-01_T2w\.nii\.gz: EchoTime is .*{said.removeprefix('missing')}"):
        echo_time_s(meta, NAME)


def test_thickness_and_its_absence() -> None:
    assert thickness_mm({"SliceThickness": 3}, 3.3, NAME) == (3.0, "")
    value, note = thickness_mm({}, 4.5, NAME)
    assert value == 4.5
    assert note == "SliceThickness absent: slice spacing 4.5 mm used"


@pytest.mark.parametrize("value", [0, -3, "3", None, 4500, False])
def test_unusable_thickness(value: object) -> None:
    with pytest.raises(InputError, match=r"^sub-01_T2w\.nii\.gz: SliceThickness is .*millimetres"):
        thickness_mm({"SliceThickness": value}, 4.5, NAME)


def test_slice_times_follow_the_array_even_when_bids_lists_them_backwards() -> None:
    timing = [0.0, 2.0, 4.0, 1.0]
    forward = slice_times_s({"SliceTiming": timing}, 4, NAME)
    backward = slice_times_s({"SliceTiming": timing, "SliceEncodingDirection": "k-"}, 4, NAME)
    assert forward is not None
    assert backward is not None
    np.testing.assert_array_equal(forward, timing)
    np.testing.assert_array_equal(backward, timing[::-1])
    assert slice_times_s({}, 4, NAME) is None


@pytest.mark.parametrize(
    ("timing", "said"),
    [
        ([0, 1, 2], "3 times for 4 slices"),
        ([0, 1, "2", 3], "holds '2'"),
        ([0, 1, None, 3], "holds None"),
        ([0, 1, -2, 3], "holds -2"),
        ("0 1 2 3", "not a list"),
        ([0, 1e3, 2e3, 9e3], "milliseconds"),
    ],
)
def test_unusable_slice_times(timing: object, said: str) -> None:
    with pytest.raises(InputError, match=rf"^sub-01_T2w\.nii\.gz: SliceTiming .*{said}.*remove SliceTiming"):
        slice_times_s({"SliceTiming": timing}, 4, NAME)


def test_slice_direction() -> None:
    assert slice_direction({}, NAME) == "k"
    assert slice_direction({"SliceEncodingDirection": "i-"}, NAME) == "i-"
    with pytest.raises(InputError, match=r"^sub-01_T2w\.nii\.gz: SliceEncodingDirection is 'z'"):
        slice_direction({"SliceEncodingDirection": "z"}, NAME)


def test_a_reason_that_holds_for_several_files_is_given_once() -> None:
    said = ["a.nii: cut off. Copy it again.", "b.nii: EchoTime is 90.", "c.nii: cut off. Copy it again."]
    assert together(said) == "a.nii, c.nii: cut off. Copy it again. | b.nii: EchoTime is 90."
    assert together(["no file in front"]) == "no file in front"
