"""Heads from label maps: tissues by table, any orientation, a skull around, files that are refused."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fetalt2prep.sim import CaseOptions, simulate_case
from fetalt2prep.sim.label_map import load_label_map, read_lut
from fetalt2prep.sim.phantom import Label
from fetalt2prep.sim.subject import Subject

TABLE = "index\ttissue\n3\twhite_matter\n7\tventricles\n9\tempty\n"


def ball(shape: tuple[int, int, int] = (26, 30, 28), affine: np.ndarray | None = None) -> nib.Nifti1Image:
    """White matter (3) of 20 mm radius about world (5, -3, 8) with a ventricle (7) of 8 mm, and a stray label (9)."""
    affine = np.array([[2.0, 0, 0, -20], [0, 2, 0, -32], [0, 0, 2, -19], [0, 0, 0, 1]]) if affine is None else affine
    world = nib.affines.apply_affine(affine, np.stack(np.indices(shape), -1))
    radius = np.linalg.norm(world - (5.0, -3.0, 8.0), axis=-1)
    labels = np.where(radius < 8, 7, np.where(radius < 20, 3, 0)).astype(np.int16)
    labels[0, 0, 0] = 9
    return nib.Nifti1Image(labels, affine)


def load(folder: Path, image: nib.Nifti1Image, table: str = TABLE) -> Subject:
    nib.save(image, folder / "dseg.nii.gz")
    (folder / "lut.tsv").write_text(table)
    return load_label_map(folder / "dseg.nii.gz", folder / "lut.tsv", 1.0, 2)


def volume_ml(subject: Subject, *labels: Label) -> float:
    return float(np.isin(subject.labels, labels).sum()) * subject.grid.spacing_mm**3 / 1000


def test_ball_keeps_its_volume_and_gets_a_skull_and_a_scalp(tmp_path: Path) -> None:
    subject = load(tmp_path, ball())
    assert volume_ml(subject, Label.VENTRICLES) == pytest.approx(4 / 3 * np.pi * 0.8**3, rel=0.06)
    assert volume_ml(subject, Label.WHITE_MATTER, Label.VENTRICLES) == pytest.approx(4 / 3 * np.pi * 8.0, rel=0.03)
    assert volume_ml(subject, Label.SKULL) == pytest.approx(4 / 3 * np.pi * (2.18**3 - 8.0), rel=0.25)
    assert np.allclose(subject.brain_low_mm, -20, atol=1.5)
    assert np.allclose(subject.brain_high_mm, 20, atol=1.5)
    assert all(size % 2 == 0 for size in subject.labels.shape)
    for axis in range(3):
        for end in (0, -1):
            assert not np.take(subject.labels, end, axis).any()


@pytest.mark.parametrize("flips", [(-1, 1, 1), (1, -1, -1)])
def test_orientation_of_the_file_does_not_matter(tmp_path: Path, flips: tuple[int, int, int]) -> None:
    image = ball()
    codes = np.array([[0, flips[0]], [1, flips[1]], [2, flips[2]]])
    turned = image.as_reoriented(codes[[1, 0, 2]])
    assert np.array_equal(load(tmp_path, turned).labels, load(tmp_path, image).labels)


def test_oblique_maps_are_resampled(tmp_path: Path) -> None:
    from scipy.spatial.transform import Rotation

    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", (20, -15, 30), degrees=True).as_matrix() * 1.5
    affine[:3, 3] = np.array([5.0, -3.0, 8.0]) - affine[:3, :3] @ np.full(3, 19.5)
    subject = load(tmp_path, ball((40, 40, 40), affine))
    assert volume_ml(subject, Label.WHITE_MATTER, Label.VENTRICLES) == pytest.approx(4 / 3 * np.pi * 8.0, rel=0.03)


def test_a_map_with_a_skull_is_left_as_it_is(tmp_path: Path) -> None:
    image = ball()
    data = np.asarray(image.dataobj).copy()
    data[2:4] = 11
    table = TABLE + "11\tskull\n"
    subject = load(tmp_path, nib.Nifti1Image(data, image.affine), table)
    assert volume_ml(subject, Label.SCALP) == 0.0
    assert volume_ml(subject, Label.SKULL) > 0


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("index\tname\n3\tWM\n", "columns 'index' and 'tissue'"),
        ("index\ttissue\n", "columns 'index' and 'tissue'"),
        ("index\ttissue\n3\tgrey stuff\n", "line 2: tissue is 'grey stuff'; known tissues: empty, white_matter"),
        ("index\ttissue\nx\tskull\n", "line 2: index is 'x'"),
        ("index\ttissue\n3\tskull\n3\tscalp\n", "line 3: label 3 is there twice"),
        ("index\ttissue\n3\twhite_matter\n9\tempty\n", r"labels \[7\] are not in .*lut\.tsv"),
        ("index\ttissue\n3\tscalp\n7\tscalp\n9\tempty\n", "no voxel is brain"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path: Path, table: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(tmp_path, ball(), table)


def test_images_that_are_no_label_map_are_refused(tmp_path: Path) -> None:
    empty = ball()
    with pytest.raises(ValueError, match="no voxel is brain"):
        load(tmp_path, nib.Nifti1Image(np.zeros((9, 9, 9), np.int16), empty.affine))
    with pytest.raises(ValueError, match=r"not whole numbers, such as 0\.5"):
        load(tmp_path, nib.Nifti1Image(np.full((9, 9, 9), 0.5, np.float32), empty.affine))
    with pytest.raises(ValueError, match=r"has shape \(9, 9\)"):
        load(tmp_path, nib.Nifti1Image(np.zeros((9, 9), np.int16), empty.affine))
    (tmp_path / "lut.tsv").write_text(TABLE)
    with pytest.raises(ValueError, match="cannot be read as a label map"):
        load_label_map(tmp_path / "absent.nii.gz", tmp_path / "lut.tsv", 1.0, 2)
    with pytest.raises(ValueError, match="no such look-up table"):
        read_lut(tmp_path / "absent.tsv")


def test_a_case_can_be_made_from_a_label_map(tmp_path: Path, small_options: CaseOptions) -> None:
    load(tmp_path, ball())
    files = {"labels_file": str(tmp_path / "dseg.nii.gz"), "labels_lut": str(tmp_path / "lut.tsv")}
    case = simulate_case(replace(small_options, planes=("ax",), te_s=(0.3, 0.5), **files), 1)
    assert case.truth.t2_s is not None
    assert np.median(case.truth.t2_s[case.truth.labels == Label.WHITE_MATTER]) == pytest.approx(0.339, rel=0.1)
    assert case.record["anatomy"] == files
    assert case.stacks[0].mask.any()
    with pytest.raises(ValueError, match="a label map needs its table"):
        replace(small_options, labels_file="x.nii.gz")


def test_snr_needs_white_matter(tmp_path: Path, small_options: CaseOptions) -> None:
    load(tmp_path, ball(), TABLE.replace("white_matter", "cortical_grey"))
    files = {"labels_file": str(tmp_path / "dseg.nii.gz"), "labels_lut": str(tmp_path / "lut.tsv")}
    options = replace(small_options, planes=("ax",), te_s=(0.3,), **files)
    with pytest.raises(ValueError, match="snr is 25, stated for white matter, and the head has none"):
        simulate_case(options, 1)
    assert simulate_case(replace(options, snr=np.inf), 1).record["noise_sd"] == 0.0


@pytest.mark.shared
def test_atlas_of_a_fetal_brain_keeps_its_volumes(shared: Path, tmp_path: Path) -> None:
    image = shared / "data" / "fetal-sb-atlas" / "GA24_notoperated" / "parcellation.nii.gz"
    names = "white_matter ventricles cerebellum extra_axial_csf cortical_grey deep_grey brainstem white_matter"
    rows = [f"{k}\t{name}\n" for k, name in enumerate(names.split(), 1)]
    (tmp_path / "lut.tsv").write_text("index\ttissue\n" + "".join(rows))
    subject = load_label_map(image, tmp_path / "lut.tsv", 0.8, 2)
    labels = np.asarray(nib.load(image).dataobj)
    for tissue, values in ((Label.WHITE_MATTER, (1, 8)), (Label.VENTRICLES, (2,)), (Label.DEEP_GREY, (6,))):
        assert volume_ml(subject, tissue) == pytest.approx(np.isin(labels, values).sum() * 0.8**3 / 1000, rel=0.05)
    assert volume_ml(subject, Label.SKULL) > 10


def test_adult_head_has_the_tissues_of_an_adult() -> None:
    from fetalt2prep.sim.adult import load_adult

    subject = load_adult(2.0, 2)
    assert 450 < volume_ml(subject, Label.WHITE_MATTER) < 800
    assert 700 < volume_ml(subject, Label.CORTICAL_GREY) < 1300
    assert volume_ml(subject, Label.EXTRA_AXIAL_CSF) > 20
    assert volume_ml(subject, Label.SKULL) > 300
    assert 140 < np.ptp((subject.brain_low_mm[1], subject.brain_high_mm[1])) < 200


def test_an_adult_lies_in_air_and_decays_as_an_adult() -> None:
    options = CaseOptions(
        life="adult", te_s=(0.114, 0.202), truth_mm=4.0, in_plane_mm=4.0, planes=("ax",), snr=math.inf
    )
    case = simulate_case(options, 2)
    assert case.record["surroundings"] is None
    assert case.truth.t2_s is not None
    assert np.nanmedian(case.truth.t2_s[case.truth.labels == Label.WHITE_MATTER]) == pytest.approx(0.117, rel=0.1)
    corner = case.stacks[0].pixels[:3, :3]
    assert np.abs(corner).max() < 0.05 * case.stacks[0].pixels.max()
