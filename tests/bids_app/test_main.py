"""The command, whole: what it refuses, what it sets aside, and what goes on all the same."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bids_app.main import run
from tests.bids_app.conftest import WriteStack, app, three_echoes

Pixels = np.ndarray[Any, Any]


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
    "noTE": ("_T2w.nii.gz: EchoTime is missing", "Add it to the sidecar, in seconds"),
    "msTE": ("_T2w.nii.gz: EchoTime is 160; BIDS wants seconds", "Then it should be 0.16"),
    "noMask": ("_T2w: no mask in the masks data set", "Add sub-01_acq-noMask_desc-brain_mask.nii.gz, or"),
    "emptyMask": ("_desc-brain_mask.nii.gz: the mask of sub-01_acq-emptyMask_T2w.nii.gz is empty", "or leave it out"),
    "farMask": ("its centre is at (900, 0, 0) mm, the stack's at (0, 0, 0) mm", "or leave the masks out"),
    "nan": ("_T2w.nii.gz: 32 pixels inside the brain mask are NaN or infinite", "Export the stack again, or"),
    "negative": ("232 pixels inside the brain mask are negative, down to -299 (50 %)", "Give the magnitude"),
    "truncated": ("_T2w.nii.gz: its pixels cannot be read", "copy or convert it again"),
    "fourD": ("holds 2 volumes (shape 16 x 16 x 8 x 2) and one echo time", "Give EchoTime as a list"),
    "far": ("lies 400 mm from those of the other stacks (limit 60 mm)", "Check the mask and the header"),
}
"""What is found, with its value, and the way out."""


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
def test_each_bad_stack_is_named_with_what_is_wrong_and_a_way_out(
    bad_run: tuple[int, Path], kind: str, said: tuple[str, str]
) -> None:
    _, out = bad_run
    name = f"sub-01_acq-{kind}_T2w"
    (table,) = (out / "sub-01" / "anat").glob("*_desc-stacks_stats.tsv")
    header, *rows = (line.split("\t") for line in table.read_text().splitlines())
    (row,) = [dict(zip(header, row, strict=True)) for row in rows if row[0].startswith(name)]
    assert row["status"] == "set-aside"
    assert [words for words in said if words not in row["notes"]] == []
    (log,) = (out / "logs").glob("run-*.log")
    file = f"stack not used: {name.removesuffix('_T2w')}_"  # the stack, or its mask
    (line,) = [line for line in log.read_text().splitlines() if file in line]
    page = html.unescape((out / "sub-01.html").read_text())
    for text in (line, page):
        assert [words for words in said if words not in text] == []


def test_stacks_that_were_set_aside_are_a_reason_to_look_and_no_failure(bad_run: tuple[int, Path]) -> None:
    _, out = bad_run
    page = (out / "sub-01.html").read_text()
    assert "Look before you use it" in page
    assert "3 of 13 stacks were used; Inputs says why." in page
    assert "Do not use" not in page


def test_equal_echo_times_give_a_reconstruction_without_t2(
    bids: Path, write_stack: WriteStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for run_number in (1, 2, 3):
        write_stack(f"sub-01_run-{run_number}_T2w", 0.1, mask=True, change=lambda pixels, n=run_number: pixels + n)
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


def test_a_participant_without_stacks_fails(bids: Path, write_stack: WriteStack, tmp_path: Path, capsys: Any) -> None:
    write_stack("sub-01_T1w")
    assert app(bids, tmp_path) == 1
    assert "no stack with suffix T2w or MESE" in capsys.readouterr().out


def test_reports_alone_need_results(bids: Path, write_stack: WriteStack, tmp_path: Path, capsys: Any) -> None:
    write_stack("sub-01_T2w")
    assert app(bids, tmp_path, "--reports-only") == 1
    assert "nothing to report on" in capsys.readouterr().err
