"""What the data set says of a session besides its stacks, and how what is measured on T2 is stored."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from bids_app.config_file import build_options, read_values, write_toml
from bids_app.dataset import write_dataset
from bids_app.options import Options
from bids_app.outputs_regions import SinkRegions
from bids_app.parser import parse_args
from bids_app.query import query_sessions
from bids_app.session import SessionInputs
from bids_app.t2_context import t2_context
from fetalt2prep.core.t2.options import T2Options

from .test_outputs import files, result, validate


@pytest.fixture
def session(bids: Path, write_stack) -> SessionInputs:  # type: ignore[no-untyped-def]
    meta = {"SliceThickness": 4.0, "MagneticFieldStrength": 0.55, "FlipAngle": 150}
    for echo, te in ((1, 0.1), (2, 0.2)):
        write_stack(f"sub-01_ses-a_acq-ax_echo-{echo}_T2w", meta={**meta, "EchoTime": te})
    (found,) = query_sessions(bids, ["01"])["01"]
    return found


def options_of(bids: Path, tmp_path: Path, *extra: str) -> Options:
    return parse_args([str(bids), str(tmp_path / "out"), "participant", *extra])


def test_the_sidecars_give_protocol_and_resolution(bids: Path, session: SessionInputs, tmp_path: Path) -> None:
    context = t2_context(session, options_of(bids, tmp_path))
    assert context.field_t == 0.55
    assert context.refocusing_deg == 150.0
    assert context.element_mm3 == pytest.approx(2.0 * 2.0 * 4.0)
    assert context.segmentation is None
    assert context.gestational_age_weeks is None
    given = options_of(bids, tmp_path, "--t2-refocusing", "135", "--t2-echo-spacing", "0.004")
    assert t2_context(session, given).refocusing_deg == 135.0
    assert t2_context(session, given).echo_spacing_s == 0.004


def test_a_flip_angle_of_excitation_is_not_taken_for_refocusing(
    bids: Path, session: SessionInputs, tmp_path: Path
) -> None:
    for angle in (90, [90, 150, 150]):  # BIDS takes a list, too
        for path in bids.rglob("*_T2w.json"):
            path.write_text(json.dumps(json.loads(path.read_text()) | {"FlipAngle": angle}))
        assert t2_context(session, options_of(bids, tmp_path)).refocusing_deg is None


@pytest.mark.parametrize(
    ("participants", "sessions", "age"),
    [
        ("participant_id\tgestational_age\nsub-01\t31.5\n", None, 31.5),
        ("participant_id\tage\nsub-01\t31.5\n", None, None),
        ("participant_id\tga\nsub-01\tn/a\n", None, None),
        ("participant_id\tga\nsub-02\t30\n", None, None),
        ("participant_id\tga\nsub-01\t30\n", "session_id\tGestational_Age\nses-a\t33\n", 33.0),
        ("participant_id\tga\nsub-01\t30\n", "session_id\tga\nses-b\t33\n", 30.0),
        ("participant_id\tga\nsub-01\t220\n", None, None),
    ],
)
def test_gestational_age(
    bids: Path, session: SessionInputs, tmp_path: Path, participants: str, sessions: str | None, age: float | None
) -> None:
    (bids / "participants.tsv").write_text(participants)
    if sessions:
        (bids / "sub-01" / "sub-01_sessions.tsv").write_text(sessions)
    assert t2_context(session, options_of(bids, tmp_path)).gestational_age_weeks == age


@pytest.mark.parametrize(
    ("content", "age", "said"),
    [
        (b"\xef\xbb\xbfparticipant_id\tgestational_age\tsex\r\nsub-01\t31.5\r\n\r\n", 31.5, ""),  # of a spreadsheet
        (b"participant_id\tgestational_age\nsub-01\t31+4\n", None, "is 31+4"),
        (b"participant_id\tgestational_age\nsub-01\tn/a\n", None, ""),
        (b"participant_id\tgestational_age\tnote\nsub-01\t31\tM\xfcller\n", None, "UTF-8"),
        (b"", None, ""),
    ],
)
def test_a_table_that_a_spreadsheet_left_stops_nothing(
    content: bytes, age: float | None, said: str, bids: Path, session: SessionInputs, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    (bids / "participants.tsv").write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert t2_context(session, options_of(bids, tmp_path)).gestational_age_weeks == age
    assert said in caplog.text
    assert bool(caplog.text) == bool(said)


def test_the_segmentation_of_the_session_is_found(
    bids: Path, session: SessionInputs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "seg"
    options = options_of(bids, tmp_path, "-d", f"segmentation={root}")
    with caplog.at_level(logging.WARNING):
        none = t2_context(session, options)
    assert none.segmentation is None
    assert "no segmentation" in none.notes[0]
    assert "no segmentation" in caplog.text
    anat = root / "sub-01" / "ses-a" / "anat"
    anat.mkdir(parents=True)
    for name in ("sub-01_ses-a_seg-feta_dseg.nii.gz", "sub-01_ses-a_rec-inr_desc-reason_dseg.nii.gz"):
        (anat / name).write_bytes(b"")
    assert t2_context(session, options).segmentation == str(anat / "sub-01_ses-a_seg-feta_dseg.nii.gz")
    (anat / "sub-01_ses-a_seg-bounti_dseg.nii.gz").write_bytes(b"")
    assert "several segmentations" in t2_context(session, options).notes[0]


def test_options_of_the_fit_are_recorded_and_read_back(bids: Path, tmp_path: Path) -> None:
    line = ["--t2-model", "epg", "--t2-bounds", "0.02", "2", "--t2-noise-floor", "2"]
    options = options_of(bids, tmp_path, *line, "--t2-echo-spacing", "0.005", "--t2-refocusing", "150")
    assert options.t2 == T2Options(
        model="epg", t2_bounds_s=(0.02, 2.0), noise_floor=2.0, echo_spacing_s=0.005, refocusing_deg=150.0
    )
    write_toml(options, tmp_path / "o.toml", run_uuid="x", command_line="y")
    assert build_options(read_values(tmp_path / "o.toml")) == options


@pytest.mark.parametrize("wrong", [["--t2-model", "epg"], ["--t2-bounds", "2", "1"], ["--t2-bounds", "10", "5000"]])
def test_options_that_make_no_sense_are_refused(
    bids: Path, tmp_path: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as leave:
        options_of(bids, tmp_path, *wrong)
    assert leave.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_fluid_regions_and_budget_are_valid_derivatives(bids: Path, session: SessionInputs, tmp_path: Path) -> None:
    options = replace(options_of(bids, tmp_path), segmentation=tmp_path / "seg")
    folder = tmp_path / "cwd"
    folder.mkdir()
    (folder / "regions.tsv").write_text("index\tname\n1000\tbrain\n")
    (folder / "regions.json").write_text(json.dumps({"Regions": "classes", "Fluid": {"fluid_t2_s": 2.0}}))
    (folder / "budget.json").write_text("{}")
    sink = SinkRegions(
        session=session,
        options=options,
        csf_probability=result(folder, "csf"),
        region_table=str(folder / "regions.tsv"),
        region_info=str(folder / "regions.json"),
        budget_file=str(folder / "budget.json"),
    )
    sink.run(cwd=str(folder))
    start = "sub-01/ses-a/anat/sub-01_ses-a_acq-ax_rec-inr"
    assert files(options.output_dir) == {
        *(f"{start}_label-CSF_probseg.{ending}" for ending in ("nii.gz", "json")),
        *(f"{start}_desc-regions_stats.{ending}" for ending in ("tsv", "json")),
        f"{start}_desc-budget_stats.json",
    }
    sidecar = json.loads((options.output_dir / f"{start}_label-CSF_probseg.json").read_text())
    assert sidecar["FluidAssumptions"] == {"fluid_t2_s": 2.0}
    write_dataset(options)
    links = json.loads((options.output_dir / "dataset_description.json").read_text())["DatasetLinks"]
    assert set(links) == {"raw", "segmentation"}
    assert validate(options.output_dir) == []
