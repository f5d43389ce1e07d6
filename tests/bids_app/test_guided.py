"""``--guide``: which stacks guide, which files belong to which session, and the whole way through the command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_app.guides import given_guides, split_clinical
from bids_app.main import run
from bids_app.options import OptionError
from bids_app.parser import parse_args
from bids_app.session import SessionInputs, StackInput
from tests.bids_app.conftest import WriteStack, app, three_echoes, turn


def stack(te_s: float, acq: str, plane: str = "axial", run: int = 1) -> StackInput:
    name = f"sub-01_acq-{acq}_run-{run}_T2w.nii.gz"
    return StackInput(
        image=Path(name), mask=None, te_s=te_s, thickness_mm=4.0, slice_times_s=None,
        entities={"subject": "01", "acquisition": acq}, shape=(8, 8, 4), voxel_mm=(1.0, 1.0, 4.0), orientation=plane,
    )  # fmt: skip


def session(*stacks: StackInput) -> SessionInputs:
    return SessionInputs(subject="01", session=None, stacks=stacks)


MAPPING = [stack(te_s, "haste") for te_s in (0.11, 0.2, 0.3)]
CLINICAL = [stack(0.09, f"clin{plane[:2]}", plane) for plane in ("axial", "coronal", "sagittal")]


def test_a_clinical_scan_with_an_echo_time_of_its_own_guides() -> None:
    found = split_clinical(session(*MAPPING, *CLINICAL))
    assert found.guide is not None
    assert (found.stacks, found.guide.stacks, found.guide.te_s) == (tuple(MAPPING), tuple(CLINICAL), 0.09)
    assert found.echo_times_s == (0.11, 0.2, 0.3)
    assert "3 stacks at 90 ms" in " ".join(found.notes)


@pytest.mark.parametrize(
    ("stacks", "why"),
    [
        (MAPPING, "no stacks have an echo time of their own"),
        # Planes as labels, all at the first echo time and one at each other: one protocol, all of it for the fit.
        ([*MAPPING, stack(0.11, "cor", "coronal"), stack(0.11, "sag", "sagittal")], "no stacks have"),
        ([stack(0.1, "a"), stack(0.2, "b", "coronal"), stack(0.3, "c")], "no stacks have"),  # who is the guest?
        ([*MAPPING, CLINICAL[0]], "the stacks at 90 ms lie in one plane"),
    ],
)
def test_what_is_no_clinical_scan_stays_in_the_fit(stacks: list[StackInput], why: str) -> None:
    found = split_clinical(session(*stacks))
    assert found.stacks == tuple(stacks)
    assert found.guide is None
    assert why in found.guide_note


def test_the_larger_of_two_clinical_scans_is_taken_and_the_other_stays() -> None:
    other = [stack(0.15, f"x{plane[:2]}", plane) for plane in ("axial", "coronal")]
    found = split_clinical(session(*MAPPING, *other, *CLINICAL))
    assert found.guide is not None
    assert found.guide.stacks == tuple(CLINICAL)
    assert all(one in found.stacks for one in other)


def test_files_belong_to_the_session_in_their_names(tmp_path: Path) -> None:
    sessions = [SessionInputs(subject=s, session="a") for s in ("01", "02")]
    for name in ("sub-02_ses-a_T2w", "other"):
        (tmp_path / f"{name}.nii.gz").write_bytes(b"")
        (tmp_path / f"{name}.json").write_text(json.dumps({"EchoTime": 0.1}))
    (found,) = given_guides([tmp_path / "sub-02_ses-a_T2w.nii.gz"], sessions)["sub-02_ses-a"]
    assert found.te_s == 0.1
    assert "sub-01_ses-a" in given_guides([tmp_path / "other.nii.gz"], sessions[:1])
    with pytest.raises(OptionError, match="not clear of which session"):
        given_guides([tmp_path / "other.nii.gz"], sessions)
    with pytest.raises(OptionError, match="no such file"):
        given_guides([tmp_path / "none.nii.gz"], sessions)
    (tmp_path / "other.json").unlink()
    with pytest.raises(OptionError, match=r"other\.nii\.gz: EchoTime is missing"):
        given_guides([tmp_path / "other.nii.gz"], sessions[:1])


def test_the_option_takes_a_word_or_files(tmp_path: Path) -> None:
    start = [str(tmp_path), str(tmp_path / "out"), "participant"]
    assert parse_args(start).guide == ("none",)
    assert parse_args([*start, "--guide", "auto"]).guide == ("auto",)
    assert parse_args([*start, "--guide", "/a.nii", "/b.nii"]).guide == ("/a.nii", "/b.nii")
    with pytest.raises(SystemExit):
        parse_args([*start, "--guide", "auto", "/a.nii"])


def test_a_clinical_scan_goes_all_the_way_and_changes_nothing_else(
    bids: Path, write_stack: WriteStack, tmp_path: Path
) -> None:
    """Stacks of another gain at an echo time of their own: maps, mismatch, account, panel; the plain map as without."""
    three_echoes(write_stack)
    assert app(bids, tmp_path) == 0
    anat = tmp_path / "out" / "sub-01" / "anat"
    plain = nib.load(anat / "sub-01_acq-good_rec-inr_T2map.nii.gz").get_fdata()
    masks = bids / "derivatives" / "masks" / "sub-01" / "anat"
    for number, plane in enumerate((None, (0, 2, 1))):
        image = write_stack(f"sub-01_acq-clin{number}_T2w", 0.12, mask=True, change=lambda pixels: 3.0 * pixels)
        if plane:
            turn(image, plane)
            turn(masks / f"sub-01_acq-clin{number}_desc-brain_mask.nii.gz", plane)
    assert app(bids, tmp_path, "--guide", "auto") == 0
    names = {path.name for path in anat.iterdir()}
    start = "sub-01_acq-good_rec-inr"
    for kind in ("desc-guided_T2map", "desc-guided_S0map", "desc-mismatch_T2w", "desc-guide_T2w"):
        assert {f"{start}_{kind}.nii.gz", f"{start}_{kind}.json"} <= names
    assert {f"{start}_desc-guided_stats.json", f"{start}_desc-guidestacks_stats.tsv"} <= names
    assert np.array_equal(plain, nib.load(anat / f"{start}_T2map.nii.gz").get_fdata(), equal_nan=True)
    refined = nib.load(anat / f"{start}_desc-guided_T2map.nii.gz")
    assert refined.shape == plain.shape
    both = np.isfinite(plain) & np.isfinite(refined.get_fdata())
    assert both.sum() > 0.95 * np.isfinite(plain).sum() > 30
    assert np.median(np.abs(refined.get_fdata() / plain - 1)[both]) < 0.1
    account = json.loads((anat / f"{start}_desc-guided_stats.json").read_text())
    assert account["guides"][0]["gain"] == pytest.approx(3.0, rel=0.1)
    sidecar = json.loads((anat / f"{start}_desc-guided_T2map.json").read_text())
    assert sidecar["Guides"][0]["Use"] == account["guides"][0]["use"]
    assert any("acq-clin1" in source for source in sidecar["Sources"])
    page = (tmp_path / "out" / "sub-01.html").read_text()
    assert "T2 map refined by a guide" in page
    assert "guide the T2 map and take no part in its fit" in page
    assert "refined by weighted images of the same session" in page
    assert "Where there was a guide" in (tmp_path / "out" / "logs" / "CITATION.md").read_text()
    assert not [name for name in names if "rec-inr_echo-4" in name]

    # Its own outputs are no echoes of a given reconstruction, and a file can be the guide there.
    shutil.copy(anat / f"{start}_desc-guide_T2w.nii.gz", tmp_path / "sub-01_guide.nii.gz")
    (tmp_path / "sub-01_guide.json").write_text(json.dumps({"EchoTime": 0.12}))
    given = ["-d", f"recon={tmp_path / 'out'}", "-w", str(tmp_path / "work2"), "--device", "cpu"]
    given += ["--skip-bids-validation", "--guide", str(tmp_path / "sub-01_guide.nii.gz")]
    assert run([str(bids), str(tmp_path / "given"), "participant", *given]) == 0
    assert (tmp_path / "given" / "sub-01" / "anat" / "sub-01_rec-inr_desc-guided_T2map.nii.gz").is_file()

    # Without the option, what an earlier run refined is gone.
    for path in bids.rglob("*acq-clin*"):
        path.unlink()
    assert app(bids, tmp_path) == 0
    assert not [path for path in anat.iterdir() if "guide" in path.name or "mismatch" in path.name]
