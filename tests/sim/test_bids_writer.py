"""The dataset on disk: valid BIDS, readable back, two subjects, and the command that writes it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fetalt2prep.sim import Case, write_case
from fetalt2prep.sim.__main__ import main

ANAT = "sub-a1/ses-01/anat"


@pytest.fixture(scope="module")
def dataset(small_case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bids") / "out"
    write_case(small_case, out, "a1")
    return out


def test_stacks_read_back_with_their_metadata(dataset: Path, small_case: Case) -> None:
    for stack in small_case.stacks:
        path = dataset / ANAT / f"sub-a1_ses-01_{stack.name}_T2w.nii.gz"
        image = nib.load(path)
        assert np.allclose(image.get_fdata(), stack.pixels, atol=0.51)  # whole scanner units
        assert np.allclose(image.affine, stack.affine, atol=1e-4)
        meta = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
        assert meta["EchoTime"] == stack.te_s
        assert meta["SliceThickness"] == stack.thickness_mm
        assert meta["SpacingBetweenSlices"] == pytest.approx(stack.spacing_mm[2])
        assert len(meta["SliceTiming"]) == stack.n_slices
        assert meta["MagneticFieldStrength"] == 0.55
        name = f"sub-a1_ses-01_{stack.name}_desc-brain_mask.nii.gz"
        mask = nib.load(dataset / "derivatives" / "masks" / ANAT / name)
        assert np.array_equal(mask.get_fdata() > 0, stack.mask)
        assert np.allclose(mask.affine, image.affine)


def test_truth_is_there_with_its_tables(dataset: Path, small_case: Case) -> None:
    anat = dataset / "derivatives" / "truth" / ANAT
    t2 = nib.load(anat / "sub-a1_ses-01_desc-truth_T2map.nii.gz")
    assert np.allclose(t2.get_fdata(), small_case.truth.t2_s, equal_nan=True)
    assert json.loads((anat / "sub-a1_ses-01_desc-truth_T2map.json").read_text())["Units"] == "s"
    rows = (anat / "sub-a1_ses-01_desc-truth_slices.tsv").read_text().splitlines()
    assert rows[0].split("\t")[:4] == ["stack", "slice", "time_s", "te_s"]
    assert len(rows) == 1 + sum(stack.n_slices for stack in small_case.stacks)
    assert rows[1].split("\t")[0] == "sub-a1_ses-01_acq-ax_run-1_echo-1_T2w"
    record = json.loads((anat / "sub-a1_ses-01_desc-truth_case.json").read_text())
    assert record["seed"] == 3
    assert np.asarray(record["head_to_scanner"]).shape == (4, 4)


def test_second_subject_joins_and_first_is_not_overwritten(small_case: Case, tmp_path: Path) -> None:
    write_case(small_case, tmp_path, "a1")
    write_case(small_case, tmp_path, "b2")
    table = (tmp_path / "participants.tsv").read_text().splitlines()
    assert table == ["participant_id\tgestational_age", "sub-a1\t25", "sub-b2\t25"]
    with pytest.raises(FileExistsError, match="choose another label"):
        write_case(small_case, tmp_path, "a1")
    with pytest.raises(ValueError, match="letters and digits"):
        write_case(small_case, tmp_path, "a_1")


@pytest.mark.parametrize("part", [".", "derivatives/masks", "derivatives/truth"])
def test_bids_validator_finds_no_error(dataset: Path, part: str) -> None:
    validator = shutil.which("bids-validator-deno") or shutil.which(
        "bids-validator-deno", path=str(Path(sys.executable).parent)
    )
    if validator is None:
        pytest.skip("bids-validator-deno is not installed")
    ran = subprocess.run(
        [validator, "--format", "json", str(dataset / part)], capture_output=True, text=True, check=False
    )
    issues = json.loads(ran.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue.get("severity") == "error"] == []
    assert ran.returncode == 0


def test_command_writes_the_subjects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new"
    fast = ["--resolution", "3", "--planes", "ax", "--te", "300", "500"]
    assert main([str(out), "--subjects", "2", "--seed", "5", *fast]) == 0
    assert "sub-sim02: 2 stacks, seed 6" in capsys.readouterr().out
    anat = out / "sub-sim01" / "ses-01" / "anat"
    times = [json.loads(path.read_text())["EchoTime"] for path in sorted(anat.glob("*.json"))]
    assert times == [0.3, 0.5]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--te", "300", "0"], "echo times are seconds between 0 and 5"),
        (["--thickness", "-1"], "thickness_mm is -1"),
        (["--subjects", "0"], "--subjects is 0"),
        (["--seed", "-2"], "--seed is -2"),
        (["--age", "60"], "18 to 42 weeks"),
        (["--preset", "nothing"], "invalid choice: 'nothing'"),
    ],
)
def test_command_says_what_is_wrong(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(tmp_path / "out"), *arguments])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_command_leaves_a_filled_folder_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(SystemExit):
        main([str(tmp_path)])
    assert "not an empty folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_command_says_when_the_folder_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    fast = ["--resolution", "4", "--planes", "ax", "--te", "300"]
    assert main([str(tmp_path / "file" / "out"), *fast]) == 1
    assert "cannot be written" in capsys.readouterr().err
