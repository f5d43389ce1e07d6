"""Page, movie and stacks of an image series."""

from __future__ import annotations

import io
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from fetalt2prep.io.kt_files import save_series, save_stacks, stack_affine
from fetalt2prep.io.kt_report import grey, movie_gif, profile, profile_line, profile_png, write_report


@pytest.fixture
def series() -> np.ndarray:
    """Column 3 blinks, all else stands still."""
    values = np.ones((6, 5, 8), np.float32)
    values[::2, :, 3] = 3.0
    return values


def test_the_profile_is_of_the_column_that_changes(series: np.ndarray) -> None:
    assert profile_line(series) == 3
    assert profile(series, 3).shape == (5, 6)
    assert profile(series, 3)[0].tolist() == [3, 1, 3, 1, 3, 1]
    picture = np.asarray(Image.open(io.BytesIO(profile_png(series, 3))))
    assert picture[0, 0] > picture[0, picture.shape[1] // 6 + 2]


def test_the_movie_has_every_frame_on_one_scale(series: np.ndarray) -> None:
    film = Image.open(io.BytesIO(movie_gif(series, 0.1)))
    assert getattr(film, "n_frames", 0) == 6
    assert film.info["duration"] == 100
    assert grey(series)[1].max() < 0.5 * grey(series)[0].max()


def test_the_page_holds_its_pictures(series: np.ndarray, tmp_path: Path) -> None:
    text = write_report(series, 0.1, {"Method": "<inr>"}, tmp_path / "page.html").read_text("utf-8")
    assert "&lt;inr&gt;" in text
    assert text.count("data:image/") == 2
    assert "http" not in text


def test_facts_are_lines_and_the_pace_is_told(series: np.ndarray, tmp_path: Path) -> None:
    facts = {"Notes": ("one", "two"), "Slice shown": ""}
    text = write_report(series, 0.02, facts, tmp_path / "page.html").read_text("utf-8")
    assert "one<br>two" in text
    assert "Slice shown" not in text
    assert "at 0.5 times real speed" in text
    assert "left:43.75%" in text  # the middle of column 3 of 8
    assert "<span>0.1 s</span>" in text
    assert "in real time" in write_report(series, 0.1, {}, tmp_path / "page.html").read_text("utf-8")


def test_frames_become_stacks_with_the_time_of_every_slice(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(4, 5, 3, 2)).astype(np.complex64)
    times = np.array([[0.1, 0.2], [1.1, 1.2], [2.1, 2.2]])
    written = save_stacks(values, np.diag([2.0, 2.0, 4.0, 1.0]), times, {"EchoTime": 0.08}, tmp_path, "scan")
    assert [path.name for path in written] == ["scan_frame-001_T2w.nii.gz", "scan_frame-002_T2w.nii.gz"]
    sidecar = json.loads((tmp_path / "scan_frame-002_T2w.json").read_text())
    assert sidecar == {"EchoTime": 0.08, "SliceTiming": [0.2, 1.2, 2.2]}
    np.testing.assert_allclose(nib.load(written[1]).get_fdata(), np.abs(values[..., 1]), rtol=1e-6)


def test_a_series_keeps_its_frame_time_and_its_phase(tmp_path: Path) -> None:
    values = np.full((2, 2, 1, 3), 2j, np.complex64)
    image = nib.load(save_series(values, np.eye(4), 0.04, tmp_path / "phase.nii.gz", phase=True))
    assert float(image.header.get_zooms()[3]) == pytest.approx(0.04)
    np.testing.assert_allclose(image.get_fdata(), np.pi / 2, rtol=1e-6)


def test_slices_that_make_no_stack_are_refused() -> None:
    affines = {s: np.diag([2.0, 2.0, 4.0, 1.0]) for s in range(3)}
    for s, z in enumerate((0.0, 4.0, 9.0)):
        affines[s][2, 3] = z
    with pytest.raises(ValueError, match="not parallel and evenly spaced"):
        stack_affine(affines, [0, 1, 2], 4.0)
    assert stack_affine(affines, [0, 1], 4.0)[2, 2] == 4.0
