"""What a run leaves behind when something is amiss: masks elsewhere, few stacks, a late failure, an earlier run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from tests.bids_app.conftest import WriteStack, app, three_echoes


def expect_reconstruction_without_t2(out: Path, why: str) -> str:
    """Everything up to the reconstruction is stored, nothing of T2; the page says ``why``; returns its text."""
    names = {path.name for path in (out / "sub-01" / "anat").glob("*.nii.gz")}
    assert {"sub-01_rec-inr_echo-1_desc-recon_T2w.nii.gz", "sub-01_rec-inr_desc-brain_mask.nii.gz"} <= names
    assert any(name.endswith("_desc-preproc_T2w.nii.gz") for name in names)
    assert not [name for name in names if "T2map" in name]
    for table in ("slices", "stacks"):
        assert (out / "sub-01" / "anat" / f"sub-01_rec-inr_desc-{table}_stats.tsv").is_file()
    page = (out / "sub-01.html").read_text()
    assert "Reconstructed volumes" in page
    assert why in page
    return page


@pytest.mark.parametrize("flags", [[], ["--stop-on-first-crash"]], ids=["", "stop-on-first-crash"])
def test_a_t2_fit_that_fails_leaves_the_reconstruction_and_a_report(
    bids: Path, write_stack: WriteStack, tmp_path: Path, capsys: Any, monkeypatch: Any, flags: list[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError("no room for the fit")

    monkeypatch.setattr("fetalt2prep.core.t2.estimate.estimate_t2", fail)
    for number, plane in enumerate(("ax", "cor"), start=1):
        write_stack(f"sub-01_acq-{plane}_T2w", 0.1 * number, mask=True)
    assert app(bids, tmp_path, *flags) == 1
    said = capsys.readouterr().out
    assert "sub-01 FAILED: fit: MemoryError: no room for the fit" in said
    assert "0 of 1 participants finished" in said
    page = expect_reconstruction_without_t2(tmp_path / "out", "the T2 step wrote none; see Errors")
    assert "One thing went wrong" in page
    assert "fit: MemoryError: no room for the fit" in page


@pytest.mark.parametrize("nprocs", ["1", "2"])
def test_when_one_echo_time_alone_is_left_the_reconstruction_stays(
    bids: Path, write_stack: WriteStack, tmp_path: Path, capsys: Any, nprocs: str
) -> None:
    """The query saw two echo times, so T2 was planned; the pixels of one of them cannot be used."""
    for subject in ("01", "02"):
        write_stack(f"sub-{subject}_acq-ax_T2w", 0.1, mask=True)
        write_stack(f"sub-{subject}_acq-cor_T2w", 0.2, mask=True, change=lambda pixels: pixels - 300)
    who = ["--participant-label", "01", *(["02"] if nprocs == "2" else [])]
    assert app(bids, tmp_path, *who, "--nprocs", nprocs) == 1
    said = capsys.readouterr().out
    assert f"0 of {nprocs} participants finished" in said
    assert "sub-01 FAILED: fit: " in said
    assert "T2 needs two distinct echo times or more; the stacks that could be used have 100 ms" in said
    page = expect_reconstruction_without_t2(tmp_path / "out", "every stack in use has the echo time 100 ms")
    assert "sub-01_acq-cor_T2w" in page
    assert "464 pixels inside the brain mask are negative, down to -299 (100 %)" in page
    assert "All stacks have the same echo time (100 ms)" in page
    assert "Two echo times" not in page


def test_one_stack_in_all_is_reconstructed_without_t2(
    bids: Path, write_stack: WriteStack, tmp_path: Path, capsys: Any
) -> None:
    write_stack("sub-01_T2w", 0.1, mask=True)
    assert app(bids, tmp_path) == 0
    said = capsys.readouterr().out
    assert "reconstruction without T2 map" in said
    page = expect_reconstruction_without_t2(tmp_path / "out", "every stack in use has the echo time 100 ms")
    for text in (said, page):
        assert "One stack only" in text


def test_one_stack_for_each_echo_time_gives_t2_and_says_what_is_missing(
    bids: Path, write_stack: WriteStack, tmp_path: Path, capsys: Any
) -> None:
    three_echoes(write_stack)
    assert app(bids, tmp_path) == 0
    anat = tmp_path / "out" / "sub-01" / "anat"
    t2_s = nib.load(anat / "sub-01_acq-good_rec-inr_T2map.nii.gz").get_fdata()
    assert np.nanpercentile(t2_s, [10, 90]) == pytest.approx([0.1, 0.2], rel=0.15)
    for text in (capsys.readouterr().out, (tmp_path / "out" / "sub-01.html").read_text()):
        assert "All stacks are axial" in text


def test_a_mask_on_another_grid_is_resampled_and_used(
    bids: Path, write_stack: WriteStack, tmp_path: Path, capsys: Any
) -> None:
    """Half the voxels along x and y, sagittal order of axes, and twice as wide a field of view."""
    three_echoes(write_stack)
    folder = bids / "derivatives" / "masks" / "sub-01" / "anat"
    given = nib.load(folder / "sub-01_acq-good_echo-2_desc-brain_mask.nii.gz")
    inside = np.asarray(given.dataobj)
    wide = np.repeat(np.repeat(np.pad(inside, 8), 2, axis=0), 2, axis=1)
    affine = given.affine @ np.diag([0.5, 0.5, 1.0, 1.0])
    affine[:3, 3] = (given.affine @ [-8.25, -8.25, -8, 1])[:3]
    turned = nib.Nifti1Image(wide.transpose(1, 2, 0)[::-1], affine[:, [1, 2, 0, 3]])
    turned.affine[:3, 3] += affine[:3, 1] * (wide.shape[1] - 1)
    turned.affine[:3, 0] *= -1
    nib.save(nib.Nifti1Image(turned.dataobj, turned.affine), given.get_filename())
    assert app(bids, tmp_path) == 0
    anat = tmp_path / "out" / "sub-01" / "anat"
    used = nib.load(anat / "sub-01_acq-good_echo-2_desc-brain_mask.nii.gz")
    np.testing.assert_array_equal(used.get_fdata(), inside)
    np.testing.assert_allclose(used.affine, given.affine, atol=1e-5)
    said = f"mask on another grid (64 x 24 x 64): resampled to the nearest voxel, {inside.sum()} pixels"
    assert said in (anat / "sub-01_acq-good_rec-inr_desc-stacks_stats.tsv").read_text()
    assert said in (tmp_path / "out" / "sub-01.html").read_text()
    assert (anat / "sub-01_acq-good_rec-inr_T2map.nii.gz").is_file()


def test_masks_beside_their_stacks_are_refused_with_places_and_way_out(
    bids: Path, write_stack: WriteStack, tmp_path: Path, capsys: Any
) -> None:
    for number in (1, 2):
        write_stack(f"sub-01_run-{number}_T2w", 0.1 * number, mask=True)
        mask = bids / "derivatives" / "masks" / "sub-01" / "anat" / f"sub-01_run-{number}_desc-brain_mask.nii.gz"
        image = nib.load(mask)
        image.affine[2, 3] += 300.0
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj), image.affine), mask)
    assert app(bids, tmp_path) == 1
    said = capsys.readouterr().out
    for number in (1, 2):
        assert f"sub-01_run-{number}_desc-brain_mask.nii.gz: the mask lies outside the stack" in said
    assert "its centre is at (0, 0, 300) mm, the stack's at (0, 0, 0) mm" in said
    assert "leave the masks out" in said
    assert not list((tmp_path / "out" / "sub-01").rglob("*.nii.gz"))
    assert "the mask lies outside the stack" in (tmp_path / "out" / "sub-01.html").read_text()


def test_a_t2w_and_a_mese_stack_of_the_same_entities_are_both_used(
    bids: Path, write_stack: WriteStack, tmp_path: Path
) -> None:
    raw = {
        "T2w": write_stack("sub-01_run-1_T2w", 0.1, mask=True),
        "MESE": write_stack("sub-01_run-1_MESE", 0.2),
    }
    assert app(bids, tmp_path) == 0
    anat = tmp_path / "out" / "sub-01" / "anat"
    for suffix, image in raw.items():
        stored = nib.load(anat / f"sub-01_run-1_desc-preproc_{suffix}.nii.gz").get_fdata()
        np.testing.assert_array_equal(stored, nib.load(image).get_fdata())
    t2_s = nib.load(anat / "sub-01_rec-inr_T2map.nii.gz").get_fdata()
    assert np.nanpercentile(t2_s, [10, 90]) == pytest.approx([0.1, 0.2], rel=0.15)
    page = (tmp_path / "out" / "sub-01.html").read_text()
    assert "run-1 at 100 ms" in page
    assert "run-1 MESE at 200 ms" in page


def test_stopped_beside_another_a_participant_is_not_called_finished(
    bids: Path, write_stack: WriteStack, tmp_path: Path, capsys: Any
) -> None:
    spoiled = write_stack("sub-01_T2w", mask=True)
    spoiled.write_bytes(spoiled.read_bytes()[:1500])
    three_echoes(write_stack, "02")
    assert app(bids, tmp_path, "--stop-on-first-crash", "--nprocs", "2") == 1
    said = capsys.readouterr().out
    assert "0 of 2 participants finished" in said
    assert "sub-02 FAILED: sub-02: the run ended before its reconstruction and T2 map could be stored" in said
    assert "could be stored" in (tmp_path / "out" / "sub-02.html").read_text()


def test_results_of_an_earlier_run_do_not_stay_beside_others(
    bids: Path, write_stack: WriteStack, tmp_path: Path, capsys: Any
) -> None:
    write_stack("sub-01_echo-1_T2w", 0.1, mask=True)
    second = write_stack("sub-01_echo-2_T2w", 0.2, mask=True)
    assert app(bids, tmp_path) == 0
    anat = tmp_path / "out" / "sub-01" / "anat"
    for path in anat.iterdir():
        os.utime(path, (0, 0))
    assert app(bids, tmp_path) == 0  # resumed: all is written again
    assert "removed" not in capsys.readouterr().out
    for path in anat.iterdir():
        os.utime(path, (0, 0))
    second.unlink()
    assert app(bids, tmp_path) == 0
    assert "sub-01_rec-inr_T2map.nii.gz" in capsys.readouterr().out
    names = {path.name for path in anat.glob("*rec-inr*.nii.gz")}
    kept = ("echo-1_desc-recon_T2w", "desc-brain_mask", "desc-density_T2w")
    assert names == {f"sub-01_rec-inr_{name}.nii.gz" for name in kept}
