"""The group level on derivatives written by hand: tables, outliers, the line, the page, the validator."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_app.main import run
from bids_app.validation import find_validator
from fetalt2prep.io.tables import read_tsv, write_tsv

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
SHAPE = (8, 8, 8)
AGES = (22.0, 24.0, 26.0, 28.0, 30.0, 32.0, 34.0)
SLOPE_S, AT_22_S = -0.004, 0.30
ODD = 3  # the session whose T2 is off the line and that moved a lot


def t2_of(n: int) -> float:
    """T2 falls by 4 ms a week, each session a little off, one far."""
    return (
        AT_22_S
        + SLOPE_S * (AGES[n] - AGES[0])
        + (0.15 if n == ODD else (0.001, -0.003, 0.002, 0, -0.001, 0.003, -0.002)[n])
    )


def write_session(out: Path, subject: str, t2_s: float, shift_mm: float) -> None:
    anat = out / f"sub-{subject}" / "anat"
    anat.mkdir(parents=True)
    start = f"sub-{subject}_rec-inr"
    inside = np.zeros(SHAPE, bool)
    inside[2:6, 2:6, 2:6] = True
    t2 = np.where(inside, t2_s, np.nan).astype("f4")
    t2[2, 2, 2] = np.nan
    for name, values in (("T2map", t2), ("desc-brain_mask", inside.astype("u1"))):
        nib.save(nib.Nifti1Image(values, AFFINE), anat / f"{start}_{name}.nii.gz")
        meta = {"SkullStripped": True, "Units": "s"} if name == "T2map" else {"Type": "Brain"}
        (anat / f"{start}_{name}.json").write_text(json.dumps(meta))
    names = [f"sub-{subject}_run-{k}_T2w" for k in (1, 2)]
    write_tsv({"stack": names, "te_s": [0.1, 0.2], "status": ["used", "used"]}, anat / f"{start}_desc-stacks_stats.tsv")
    slices = {"stack": [names[0]] * 4, "status": ["used", "used", "used", "set-aside"], "ncc": [0.9, 0.8, 0.7, 0.1]}
    slices |= {f"rot_{a}_deg": [1.0] * 4 for a in "xyz"} | {f"shift_{a}_mm": [shift_mm] * 4 for a in "xyz"}
    write_tsv(slices, anat / f"{start}_desc-slices_stats.tsv")
    facts = {"model": "decay", "resolution_mm": 0.8, "cost": {"wall_seconds": 12.5}}
    (anat / f"{start}_desc-recon_stats.json").write_text(json.dumps(facts))


@pytest.fixture
def study(tmp_path: Path) -> tuple[Path, Path]:
    """Raw data set with ages, and derivatives of seven participants."""
    bids, out = tmp_path / "raw", tmp_path / "out"
    bids.mkdir()
    subjects = [f"{n:02}" for n in range(len(AGES))]
    write_tsv({"participant_id": [f"sub-{s}" for s in subjects], "gestational_age": AGES}, bids / "participants.tsv")
    for n, subject in enumerate(subjects):
        write_session(out, subject, t2_of(n), shift_mm=9.0 if n == ODD else 1.0 + 0.05 * n)
    return bids, out


def group(study: tuple[Path, Path], *extra: str) -> int:
    return run([str(study[0]), str(study[1]), "group", *extra])


def test_participants_without_results_are_named(study: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    (study[1] / "sub-99" / "log").mkdir(parents=True)  # all that is left of a participant that failed
    assert group(study) == 0
    assert "Without results, so not in the tables: sub-99." in capsys.readouterr().out
    assert "7 sessions of 7 participants. Without results: sub-99." in (study[1] / "group.html").read_text()


def test_the_table_has_a_row_per_session_with_hand_computed_values(study: tuple[Path, Path]) -> None:
    assert group(study) == 0
    table = read_tsv(study[1] / "group_sessions.tsv")
    assert table["participant_id"] == [f"sub-{n:02}" for n in range(7)]
    assert table["session_id"] == ["n/a"] * 7
    assert [float(age) for age in table["gestational_age"]] == list(AGES)
    assert [float(t2) for t2 in table["t2_median"]] == pytest.approx([t2_of(n) for n in range(7)], rel=1e-5)
    assert float(table["t2_valid"][0]) == pytest.approx(63 / 64)
    assert float(table["brain_volume"][0]) == pytest.approx(64 * 8 / 1000)
    assert float(table["slice_ncc"][0]) == 0.8
    assert float(table["slice_rotation"][0]) == pytest.approx(3**0.5)
    assert float(table["slices_used"][0]) == 0.75
    assert table["recon_wall_seconds"][0] == "12.5"
    described = json.loads((study[1] / "group_sessions.json").read_text())
    assert list(described) == list(table)
    assert described["t2_median"]["Units"] == "s"


def test_the_odd_session_is_named_for_what_is_odd(study: tuple[Path, Path]) -> None:
    assert group(study) == 0
    table = read_tsv(study[1] / "group_outliers.tsv")
    assert set(table["participant_id"]) == {f"sub-{ODD:02}"}
    assert sorted(table["measure"]) == ["slice_shift", "t2_median"]
    page = (study[1] / "group.html").read_text()
    assert f'href="sub-{ODD:02}.html">sub-{ODD:02}</a>: slice_shift is 15.59' in page
    assert page.count(f'href="sub-{ODD:02}.html"') == 3  # two outliers and the table
    assert '<th scope="col" aria-sort="none"><button type="button">T2 median (s)' in page
    assert page.count("(unusual)") == 2
    assert "brain mask: " in page
    assert "ms per week (95 % interval" in page
    assert (study[1] / "figures" / "group_desc-age_T2map.svg").read_text().startswith("<svg")
    assert page.count("<script>") == 1  # that of the page itself
    assert page.count("<svg") == 2


def test_participants_and_sessions_can_be_chosen(study: tuple[Path, Path]) -> None:
    assert group(study, "--participant-label", "00", "sub-02") == 0
    assert read_tsv(study[1] / "group_sessions.tsv")["participant_id"] == ["sub-00", "sub-02"]
    assert not (study[1] / "group_outliers.tsv").exists()
    page = (study[1] / "group.html").read_text()
    assert "Fewer than 5 sessions: outliers are not looked for." in page
    assert "too few sessions with a gestational age for a line" in page


def test_regions_of_all_sessions_are_put_together(study: tuple[Path, Path]) -> None:
    for subject, t2_s in (("01", 0.25), ("02", 0.24), ("04", 0.23)):
        columns = {"index": [0, 3], "name": ["mask", "white"], "volume_mm3": [900, 500.0], "valid_fraction": [1.0, 0.5]}
        columns |= {"t2_median_s": [0.3, t2_s], "t2_q25_s": [0.2, 0.1], "t2_q75_s": [0.4, None]}
        anat = study[1] / f"sub-{subject}" / "anat"
        write_tsv(columns, anat / f"sub-{subject}_rec-inr_desc-regions_stats.tsv")
    assert group(study) == 0
    table = read_tsv(study[1] / "group_regions.tsv")
    assert table["participant_id"] == ["sub-01", "sub-01", "sub-02", "sub-02", "sub-04", "sub-04"]
    assert table["region"] == ["mask", "white"] * 3
    assert table["gestational_age"][::2] == ["24", "26", "30"]
    assert (table["volume"][1], table["t2_valid"][1], table["t2_median"][1]) == ("0.5", "0.5", "0.25")
    assert table["t2_q75"][1] == "n/a"
    assert "white: -" in (study[1] / "group.html").read_text()


def test_a_session_that_cannot_be_read_is_named_and_the_others_are_there(
    study: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (study[1] / "sub-05" / "anat" / "sub-05_rec-inr_T2map.nii.gz").write_bytes(b"no image")
    assert group(study) == 1
    assert "Left out: sub-05" in capsys.readouterr().out
    assert len(read_tsv(study[1] / "group_sessions.tsv")["participant_id"]) == 6


def test_ages_of_sessions_go_before_those_of_participants_and_days_are_not_believed(
    study: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    bids, out = study
    (out / "sub-00" / "anat").rename(out / "anat")
    (out / "sub-00" / "ses-b").mkdir()
    (out / "anat").rename(out / "sub-00" / "ses-b" / "anat")
    for path in sorted((out / "sub-00" / "ses-b" / "anat").iterdir()):
        path.rename(path.with_name(path.name.replace("sub-00_", "sub-00_ses-b_")))
    (bids / "sub-00").mkdir()
    write_tsv({"session_id": ["ses-b"], "GA": [25.5]}, bids / "sub-00" / "sub-00_sessions.tsv")
    assert group(study) == 0
    table = read_tsv(out / "group_sessions.tsv")
    assert (table["session_id"][0], float(table["gestational_age"][0])) == ("ses-b", 25.5)
    write_tsv({"session_id": ["ses-b"], "GA": [180]}, bids / "sub-00" / "sub-00_sessions.tsv")
    assert group(study) == 0
    assert "is 180; weeks from 10 to 50 were expected, so it is not used" in capsys.readouterr().out
    assert read_tsv(out / "group_sessions.tsv")["gestational_age"][0] == "22"


def test_without_results_it_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "raw").mkdir()
    assert run([str(tmp_path / "raw"), str(tmp_path / "out"), "group"]) == 1
    assert "run the participant level first" in capsys.readouterr().err


def test_the_validator_takes_the_files_of_the_group(study: tuple[Path, Path]) -> None:
    from bids_app.dataset import write_dataset
    from bids_app.parser import parse_args

    write_dataset(parse_args([str(study[0]), str(study[1]), "group"]))
    assert group(study) == 0
    command = [str(find_validator()), "--format", "json", str(study[1])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [
        issue["location"] for issue in issues if issue["severity"] == "error" and "group" in issue["location"]
    ] == []
