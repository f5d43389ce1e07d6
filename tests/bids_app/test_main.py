"""The command, whole: what it refuses, what it sets aside, and what goes on all the same."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from bids_app.main import run

WriteStack = Callable[..., Path]
Pixels = np.ndarray[Any, Any]
COARSE = [
    "--device",
    "cpu",
    "--nprocs",
    "1",
    "--omp-nthreads",
    "1",
    "--recon-resolution",
    "3",
    "--denoise",
    "none",
]


def app(bids: Path, tmp_path: Path, *extra: str, masks: bool = True) -> int:
    """Run the participant level on ``bids`` into ``tmp_path / "out"``, quickly."""
    given = ["-d", f"masks={bids / 'derivatives' / 'masks'}"] if masks else []
    work = ["-w", str(tmp_path / "work")]
    return run([str(bids), str(tmp_path / "out"), "participant", *given, *work, *COARSE, *extra])


def three_echoes(write: WriteStack, subject: str = "01") -> None:
    for number, te_s in enumerate((0.08, 0.16, 0.24), start=1):
        write(f"sub-{subject}_acq-good_echo-{number}_T2w", te_s, mask=True)


def test_unknown_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([str(tmp_path), str(tmp_path / "out"), "participant", "--nope"]) == 2
    assert "--nope" in capsys.readouterr().err


def test_output_equal_to_input(bids: Path, write_stack: WriteStack, capsys: pytest.CaptureFixture[str]) -> None:
    write_stack("sub-01_T2w")
    assert run([str(bids), str(bids / "."), "participant"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("fetalt2prep: error: OUTPUT_DIR is the same as BIDS_DIR")
    assert str(bids / "derivatives" / "fetalt2prep") in said


def test_work_folder_inside_the_data_set(
    bids: Path, write_stack: WriteStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_stack("sub-01_T2w")
    assert run([str(bids), str(tmp_path / "out"), "participant", "-w", str(bids / "work")]) == 1
    assert "is inside BIDS_DIR" in capsys.readouterr().err
    assert not (bids / "work").exists()


@pytest.mark.parametrize("which", ["output", "work"])
def test_unwritable_folders(
    bids: Path, write_stack: WriteStack, tmp_path: Path, capsys: pytest.CaptureFixture[str], which: str
) -> None:
    write_stack("sub-01_T2w")
    # A file in the way refuses even the superuser, whom permissions do not stop.
    (tmp_path / "file").write_text("")
    blocked, free = str(tmp_path / "file" / "x"), str(tmp_path / "free")
    out, work = (blocked, free) if which == "output" else (free, blocked)
    assert run([str(bids), out, "participant", "-w", work]) == 1
    said = capsys.readouterr().err
    assert blocked in said
    assert "cannot be written" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("flag", "said"), [("--participant-label", "sub-01, sub-02"), ("--session-label", "ses-a, ses-b")]
)
def test_unknown_labels_are_refused_with_the_known_ones(
    bids: Path,
    write_stack: WriteStack,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    flag: str,
    said: str,
) -> None:
    write_stack("sub-01_ses-a_T2w")
    write_stack("sub-02_ses-b_T2w")
    assert app(bids, tmp_path, flag, "03") == 1
    error = capsys.readouterr().err
    assert "03" in error
    assert said in error


def test_missing_data_set_and_missing_gpu(bids: Path, write_stack: WriteStack, tmp_path: Path, capsys: Any) -> None:
    assert run([str(tmp_path / "nowhere"), str(tmp_path / "out"), "participant"]) == 1
    assert "is not a folder" in capsys.readouterr().err
    write_stack("sub-01_T2w")
    assert app(bids, tmp_path, "--device", "cuda:99") == 1
    assert "--device cuda:99: torch sees" in capsys.readouterr().err


BAD = {
    "noTE": "EchoTime",
    "msTE": "millisecond",
    "noMask": "no mask",
    "emptyMask": "empty",
    "farMask": "outside the stack",
    "nan": "NaN",
    "negative": "negative",
    "truncated": "read",
    "fourD": "holds 2 volumes",
    "far": "from those of the other stacks",
}


@pytest.fixture(scope="module")
def bad_run(tmp_path_factory: pytest.TempPathFactory, new_dataset: Callable[[Path], WriteStack]) -> tuple[int, Path]:
    """One participant with three good stacks and one of each bad kind: exit code, output folder."""
    tmp_path = tmp_path_factory.mktemp("bad")
    bids = tmp_path / "raw"
    write = new_dataset(bids)
    three_echoes(write)

    def bad(kind: str, **how: Any) -> Path:
        return write(f"sub-01_acq-{kind}_T2w", **{"te_s": 0.16, "mask": True, **how})

    def with_nan(pixels: Pixels) -> Pixels:
        pixels[6:10, 6:10, 3:5] = np.nan
        return pixels

    def mask_of(image: Path) -> Path:
        folder = bids / "derivatives" / "masks" / "sub-01" / "anat"
        return folder / image.name.replace("_T2w", "_desc-brain_mask")

    bad("noTE", meta={"SliceThickness": 4.0})
    bad("msTE", meta={"EchoTime": 160})
    bad("noMask", mask=False)
    emptied = mask_of(bad("emptyMask"))
    empty = write("sub-99_T2w", change=np.zeros_like)
    emptied.write_bytes(empty.read_bytes())
    moved = mask_of(bad("farMask"))
    far = write("sub-99_T2w", at_mm=900.0)
    moved.write_bytes(far.read_bytes())
    bad("nan", change=with_nan)
    bad("negative", change=lambda pixels: pixels - 300)
    image = bad("truncated")
    image.write_bytes(image.read_bytes()[:2000])
    bad("fourD", change=lambda pixels: np.stack([pixels, pixels], axis=-1))
    bad("far", at_mm=400.0)
    return app(bids, tmp_path, "--participant-label", "01"), tmp_path / "out"


def test_bad_stacks_make_the_exit_code_1_and_the_rest_is_computed(bad_run: tuple[int, Path]) -> None:
    code, out = bad_run
    assert code == 1
    assert (out / "sub-01" / "anat" / "sub-01_rec-inr_T2map.nii.gz").is_file()
    sources = json.loads((out / "sub-01" / "anat" / "sub-01_rec-inr_echo-2_desc-recon_T2w.json").read_text())["Sources"]
    assert len(sources) == 3
    assert all("acq-good" in source for source in sources)


@pytest.mark.parametrize(("kind", "said"), BAD.items())
def test_each_bad_stack_is_named_with_its_reason(bad_run: tuple[int, Path], kind: str, said: str) -> None:
    _, out = bad_run
    name = f"sub-01_acq-{kind}_T2w"
    (table,) = (out / "sub-01" / "anat").glob("*_desc-stacks_stats.tsv")
    header, *rows = (line.split("\t") for line in table.read_text().splitlines())
    (row,) = [dict(zip(header, row, strict=True)) for row in rows if row[0].startswith(name)]
    assert row["status"] == "set-aside"
    assert said.lower() in row["notes"].lower()
    (log,) = (out / "logs").glob("run-*.log")
    lines = [line for line in log.read_text().splitlines() if "stack not used" in line and name in line]
    assert len(lines) == 1
    assert name in (out / "sub-01.html").read_text()


def test_equal_echo_times_give_a_reconstruction_without_t2(
    bids: Path, write_stack: WriteStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for run_number in (1, 2, 3):
        write_stack(f"sub-01_run-{run_number}_T2w", 0.1, mask=True)
    assert app(bids, tmp_path) == 0
    anat = tmp_path / "out" / "sub-01" / "anat"
    assert (anat / "sub-01_rec-inr_echo-1_desc-recon_T2w.nii.gz").is_file()
    assert not list(anat.glob("*T2map*"))
    assert "reconstruction without T2 map" in capsys.readouterr().out
    assert "without T2 map" in (tmp_path / "out" / "sub-01.html").read_text()


def test_two_echo_times_are_said_to_be_few(
    bids: Path, write_stack: WriteStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_stack("sub-01_echo-1_T2w", 0.08, mask=True)
    write_stack("sub-01_echo-2_T2w", 0.2, mask=True)
    assert app(bids, tmp_path) == 0
    assert (tmp_path / "out" / "sub-01" / "anat" / "sub-01_rec-inr_T2map.nii.gz").is_file()
    assert "decay penalty is zero" in capsys.readouterr().out
    facts = json.loads((tmp_path / "out" / "sub-01" / "anat" / "sub-01_rec-inr_desc-recon_stats.json").read_text())
    assert any("no degrees of freedom" in note for note in facts["notes"])


@pytest.mark.parametrize("nprocs", ["1", "2"])
def test_one_participant_fails_and_the_other_does_not(
    bids: Path, write_stack: WriteStack, tmp_path: Path, capsys: pytest.CaptureFixture[str], nprocs: str
) -> None:
    write_stack("sub-01_T2w", mask=True).write_bytes(b"no image")
    spoiled = write_stack("sub-02_run-2_T2w", mask=True)
    spoiled.write_bytes(spoiled.read_bytes()[:1500])
    first = write_stack("sub-02_T2w", mask=True)
    first.write_bytes(first.read_bytes()[:1500])
    three_echoes(write_stack, "03")
    assert app(bids, tmp_path, "--nprocs", nprocs) == 1
    out = tmp_path / "out"
    assert (out / "sub-03" / "anat" / "sub-03_acq-good_rec-inr_T2map.nii.gz").is_file()
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err
    failed = [line for line in captured.out.splitlines() if "FAILED:" in line]
    assert any(line.startswith("sub-01 FAILED") and "sub-01_T2w.nii.gz" in line for line in failed)
    assert any(line.startswith("sub-02 FAILED") and "sub-02_run-2_T2w" in line for line in failed)
    assert "1 of 3 participants finished" in captured.out
    # Each has its report; the traceback of the second is in its own log folder.
    assert all((out / f"sub-{subject}.html").is_file() for subject in ("01", "02", "03"))
    assert len(list((out / "sub-02" / "log").rglob("crash-*.txt"))) == 1
    assert not list((out / "sub-03" / "log").rglob("crash-*.txt"))


def test_stop_on_first_crash_stops(bids: Path, write_stack: WriteStack, tmp_path: Path, capsys: Any) -> None:
    spoiled = write_stack("sub-01_T2w", mask=True)
    spoiled.write_bytes(spoiled.read_bytes()[:1500])
    three_echoes(write_stack, "02")
    assert app(bids, tmp_path, "--stop-on-first-crash") == 1
    assert not (tmp_path / "out" / "sub-02" / "anat").exists()
    assert "sub-02 FAILED: not processed" in capsys.readouterr().out


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

    monkeypatch.setattr("fetalt2prep.core.t2.loglinear.fit_loglinear", fail)
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
    assert "are negative" in page


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
    assert names == {"sub-01_rec-inr_echo-1_desc-recon_T2w.nii.gz", "sub-01_rec-inr_desc-brain_mask.nii.gz"}


def test_a_participant_without_stacks_fails(bids: Path, write_stack: WriteStack, tmp_path: Path, capsys: Any) -> None:
    write_stack("sub-01_T1w")
    assert app(bids, tmp_path) == 1
    assert "no stack with suffix T2w or MESE" in capsys.readouterr().out


def test_reports_alone_need_results(bids: Path, write_stack: WriteStack, tmp_path: Path, capsys: Any) -> None:
    write_stack("sub-01_T2w")
    assert app(bids, tmp_path, "--reports-only") == 1
    assert "nothing to report on" in capsys.readouterr().err
