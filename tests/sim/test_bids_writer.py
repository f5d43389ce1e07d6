"""The dataset on disk: valid BIDS, readable back, and two subjects."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fetalt2prep.sim import Case, CaseOptions, simulate_case, write_case
from fetalt2prep.sim.echo_train import EchoTrain
from fetalt2prep.sim.phantom import Label

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
    described = json.loads((anat / "sub-a1_ses-01_desc-truth_slices.json").read_text())
    unknown = [name for name in rows[0].split("\t") if not any(fnmatch(name, pattern) for pattern in described)]
    assert unknown == []
    record = json.loads((anat / "sub-a1_ses-01_desc-truth_case.json").read_text())
    assert record["seed"] == 3
    assert np.asarray(record["head_to_scanner"]).shape == (4, 4)


@pytest.fixture(scope="module")
def adult_like(small_options: CaseOptions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fast spin echo; adult tissue in the small head, so that the test stays quick."""
    out = tmp_path_factory.mktemp("train") / "out"
    train = EchoTrain(partial_fourier=0.625, acceleration=2.0)
    options = replace(small_options, echo_train=train, planes=("ax",), in_plane_mm=3.0, te_s=(0.3, 0.5))
    case = simulate_case(options, seed=1)
    write_case(replace(case, options=replace(options, life="adult")), out, "a1")
    return out


def test_the_train_is_in_the_sidecars_and_an_adult_has_no_gestational_age(adult_like: Path) -> None:
    metas = [json.loads(path.read_text()) for path in sorted((adult_like / ANAT).glob("*_T2w.json"))]
    assert {meta["PulseSequenceType"] for meta in metas} == {"Single-shot fast spin echo"}
    assert [meta["PartialFourier"] for meta in metas] == [0.625, 0.625]
    assert metas[0]["EchoTrainLength"] < metas[1]["EchoTrainLength"]
    assert (adult_like / "participants.tsv").read_text().splitlines()[1] == "sub-a1\tn/a"
    assert errors_of(adult_like) == []


def test_labels_come_with_names_and_colours(dataset: Path, small_case: Case) -> None:
    anat = dataset / "derivatives" / "truth" / ANAT
    lut = (anat / "sub-a1_ses-01_desc-truth_dseg.tsv").read_text().splitlines()
    assert lut[0].split("\t") == ["index", "name", "abbreviation", "color"]
    rows = {int(line.split("\t")[0]): line.split("\t")[1:] for line in lut[1:]}
    assert set(np.unique(small_case.truth.labels).tolist()) <= set(rows)
    assert rows[int(Label.CORTICAL_GREY)][:2] == ["cortical_grey", "GM"]
    assert all(re.fullmatch("#[0-9a-f]{6}", row[2]) for row in rows.values())
    s0 = nib.load(anat / "sub-a1_ses-01_desc-truth_S0map.nii.gz")
    assert np.allclose(s0.get_fdata(), small_case.truth.m0)


def test_a_broken_write_leaves_no_participant(small_case: Case, tmp_path: Path) -> None:
    (tmp_path / "derivatives").mkdir()
    (tmp_path / "derivatives" / "truth").mkdir()
    (tmp_path / "derivatives" / "truth" / "sub-a1").write_text("in the way")
    with pytest.raises(OSError, match="sub-a1"):
        write_case(small_case, tmp_path, "a1")
    assert not (tmp_path / "participants.tsv").exists()


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
    assert errors_of(dataset / part) == []


def errors_of(dataset: Path) -> list[dict[str, object]]:
    """Errors of the BIDS validator; skips without it."""
    validator = shutil.which("bids-validator-deno") or shutil.which(
        "bids-validator-deno", path=str(Path(sys.executable).parent)
    )
    if validator is None:
        pytest.skip("bids-validator-deno is not installed")
    ran = subprocess.run([validator, "--format", "json", str(dataset)], capture_output=True, text=True, check=False)
    errors = [i for i in json.loads(ran.stdout)["issues"]["issues"] if i.get("severity") == "error"]
    assert (ran.returncode == 0) == (errors == [])
    return errors
