"""Echoes on one grid, segmentations, and what their labels are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fetalt2prep.io.echoes import load_echoes, read_on_grid_of
from fetalt2prep.io.label_sets import known_sets, label_set, labels_of, read_label_table
from fetalt2prep.io.segmentation import load_segmentation
from fetalt2prep.io.sidecar import InputError

from .conftest import AFFINE, SHAPE, Write


def test_several_files_with_sidecars(write: Write) -> None:
    paths = [write(f"e{n}.nii.gz") for n in range(3)]
    for path, te in zip(paths, (0.3, 0.1, 0.2), strict=True):
        path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps({"EchoTime": te}))
    found = load_echoes(paths)
    assert found.te_s == (0.3, 0.1, 0.2)
    assert found.values.shape == (3, *SHAPE)
    np.testing.assert_allclose(found.affine, AFFINE)


def test_one_file_with_four_axes(write: Write) -> None:
    values = np.random.default_rng(0).uniform(1, 2, (*SHAPE, 4))
    found = load_echoes([write("e.nii.gz", values)], [0.1, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(found.values[2], values[..., 2], rtol=1e-6)


@pytest.mark.parametrize(
    ("te_s", "message"),
    [([0.1, 0.2], "3 echoes and 2 echo times"), ([100.0, 200.0, 300.0], "milliseconds"), (None, "EchoTime is missing")],
)
def test_times_that_do_not_fit(write: Write, te_s: list[float] | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_echoes([write(f"e{n}.nii.gz") for n in range(3)], te_s)


def test_echoes_on_two_grids_are_refused(write: Write) -> None:
    first, shifted = write("a.nii.gz"), AFFINE.copy()
    shifted[0, 3] += 2.0
    with pytest.raises(InputError, match=r"lies up to 2 mm from a\.nii\.gz"):
        load_echoes([first, write("b.nii.gz", affine=shifted)], [0.1, 0.2])
    with pytest.raises(InputError, match="12 x 10 x 5 voxels"):
        read_on_grid_of(write("c.nii.gz", np.ones((12, 10, 5))), first)


def test_complex_echoes_are_refused(write: Write) -> None:
    with pytest.raises(InputError, match="real volumes"):
        load_echoes([write("e.nii.gz", np.ones((4, 4, 4, 2)), dtype="complex64")], [0.1, 0.2])


def test_published_label_sets() -> None:
    assert known_sets() == ("feta", "bounti", "dhcp")
    assert label_set("feta").names[2] == "cortical_grey_matter"
    assert label_set("feta").tissue == frozenset({2, 3, 5, 6, 7})
    assert label_set("bounti").names[19] == "fourth_ventricle"
    assert 1 not in label_set("dhcp").tissue
    with pytest.raises(InputError, match="there are feta, bounti, dhcp"):
        label_set("freesurfer")


def test_labels_are_found_beside_the_image_or_in_its_name(tmp_path: Path) -> None:
    assert labels_of(tmp_path / "sub-01_seg-bounti_dseg.nii.gz").source == "bounti"
    plain = tmp_path / "sub-01_dseg.nii.gz"
    with pytest.raises(InputError, match="nothing says what its labels are"):
        labels_of(plain)
    (tmp_path / "sub-01_dseg.tsv").write_text("index\tname\tcolor\n0\tbackground\tx\n4\tCortex\ty\n9\tVentricles\tz\n")
    found = labels_of(plain)
    assert found.names == {4: "Cortex", 9: "Ventricles"}
    assert found.tissue == frozenset({4})
    assert labels_of(plain, "dhcp").source == "dhcp"


@pytest.mark.parametrize(
    ("text", "message"), [("a\tb\n1\t2\n", "index and name"), ("index\tname\nx\ty\n", "whole number")]
)
def test_tables_that_are_none(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "t.tsv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_label_table(path)


def test_a_segmentation_on_another_grid_is_resampled(write: Write) -> None:
    labels = np.zeros(SHAPE)
    labels[4:8, 3:7, 2:4] = 7
    same, notes = load_segmentation(write("s.nii.gz", labels), SHAPE, AFFINE)
    np.testing.assert_array_equal(same, labels)
    assert notes == []
    flipped = AFFINE @ np.diag([-1.0, 1, 1, 1])
    flipped[:3, 3] = (AFFINE @ [SHAPE[0] - 1, 0, 0, 1])[:3]
    moved, notes = load_segmentation(write("f.nii.gz", labels[::-1], flipped), SHAPE, AFFINE)
    np.testing.assert_array_equal(moved, labels)
    assert "resampled" in notes[0]


def test_segmentations_that_cannot_be_used(write: Write) -> None:
    with pytest.raises(InputError, match="between the labels"):
        load_segmentation(write("s.nii.gz", np.full(SHAPE, 0.5)), SHAPE, AFFINE)
    away = AFFINE.copy()
    away[0, 3] += 500
    with pytest.raises(InputError, match="no label lies on the map"):
        load_segmentation(write("a.nii.gz", np.ones(SHAPE), away), SHAPE, AFFINE)
