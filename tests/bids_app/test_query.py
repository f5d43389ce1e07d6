"""The query: which stacks, masks and echo times a session has, on several layouts."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bids_app import query
from bids_app.inputs import choose_participants, nothing_found
from bids_app.options import OptionError
from bids_app.parser import parse_args
from bids_app.query import list_labels, query_sessions
from bids_app.session import GivenEcho, SessionInputs

WriteStack = Callable[..., Path]


def only(found: dict[str, list[SessionInputs]], subject: str = "01") -> SessionInputs:
    (session,) = found[subject]
    return session


def test_without_sessions(bids: Path, write_stack: WriteStack) -> None:
    for n, te_s in enumerate((0.3, 0.1, 0.2), start=1):
        write_stack(f"sub-01_acq-ax_run-1_echo-{n}_T2w", te_s)
    session = only(query_sessions(bids, ["01"]))
    assert session.session is None
    assert session.label == "sub-01"
    # The entity is an index; the sidecar has the time.
    assert [stack.te_s for stack in session.stacks] == [0.3, 0.1, 0.2]
    assert session.echo_times_s == (0.1, 0.2, 0.3)
    assert session.acquisition == "ax"
    assert session.problems == ()
    assert session.stacks[0].mask is None
    assert session.stacks[0].shape == (16, 16, 8)
    assert session.stacks[0].voxel_mm == pytest.approx((2, 2, 4))
    assert session.stacks[0].orientation == "axial"


def test_unequal_sessions_are_never_pooled(bids: Path, write_stack: WriteStack) -> None:
    for te in (1, 2, 3):
        write_stack(f"sub-01_ses-a_acq-ax_echo-{te}_T2w", te / 10)
    write_stack("sub-01_ses-b_acq-ax_echo-1_T2w", 0.4)
    write_stack("sub-01_acq-cor_echo-1_T2w", 0.5)
    sessions = query_sessions(bids, ["01"])["01"]
    assert {s.session: len(s.stacks) for s in sessions} == {None: 1, "a": 3, "b": 1}
    (chosen,) = query_sessions(bids, ["01"], ["b"])["01"]
    assert chosen.echo_times_s == (0.4,)


def test_only_the_participants_asked_for_are_read(bids: Path, write_stack: WriteStack) -> None:
    for subject in ("01", "010", "02"):
        write_stack(f"sub-{subject}_T2w")
    found = query_sessions(bids, ["01"])
    assert list(found) == ["01"]
    assert [s.name for s in only(found).stacks] == ["sub-01_T2w"]
    assert list_labels(bids, "sub") == ["01", "010", "02"]


def test_mese_counts_and_the_rest_does_not(bids: Path, write_stack: WriteStack) -> None:
    write_stack("sub-01_echo-1_MESE", 0.1)
    write_stack("sub-01_echo-2_part-mag_MESE", 0.2)
    write_stack("sub-01_echo-2_part-phase_MESE", 0.2)
    write_stack("sub-01_T1w", 0.01)
    names = [s.name for s in only(query_sessions(bids, ["01"])).stacks]
    assert names == ["sub-01_echo-1_MESE", "sub-01_echo-2_part-mag_MESE"]


def test_echo_time_without_echo_entity_and_from_inherited_sidecars(bids: Path, write_stack: WriteStack) -> None:
    write_stack("sub-01_acq-hasteTE90_T2w", 0.09)
    write_stack("sub-01_acq-haste_run-2_T2w", meta={"SliceThickness": 3.0})
    (bids / "T2w.json").write_text(json.dumps({"EchoTime": 0.5, "MagneticFieldStrength": 1.5}))
    (bids / "sub-01" / "sub-01_acq-haste_T2w.json").write_text(json.dumps({"EchoTime": 0.2}))
    stacks = {s.name: s for s in only(query_sessions(bids, ["01"])).stacks}
    assert stacks["sub-01_acq-hasteTE90_T2w"].te_s == 0.09
    assert stacks["sub-01_acq-haste_run-2_T2w"].te_s == 0.2
    assert stacks["sub-01_acq-haste_run-2_T2w"].field_t == 1.5


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        ({}, "EchoTime"),
        ({"EchoTime": 90}, "millisecond"),
        ({"EchoTime": "0.09"}, "0.09"),
        ({"EchoTime": 0.09, "SliceEncodingDirection": "z"}, "SliceEncodingDirection"),
    ],
)
def test_a_bad_sidecar_costs_its_stack_only(
    bids: Path, write_stack: WriteStack, meta: dict[str, object], said: str
) -> None:
    write_stack("sub-01_run-1_T2w")
    write_stack("sub-01_run-2_T2w", meta=meta)
    session = only(query_sessions(bids, ["01"]))
    assert [s.name for s in session.stacks] == ["sub-01_run-1_T2w"]
    (problem,) = session.problems
    assert problem.name == "sub-01_run-2_T2w"
    assert "sub-01_run-2_T2w" in problem.message
    assert said in problem.message


def test_broken_json_and_broken_header_are_said(bids: Path, write_stack: WriteStack) -> None:
    write_stack("sub-01_run-1_T2w")
    write_stack("sub-01_run-2_T2w").with_name("sub-01_run-2_T2w.json").write_text("{")
    write_stack("sub-01_run-3_T2w").write_bytes(b"")
    # A sound gzip header before bytes that are none.
    write_stack("sub-01_run-4_T2w").write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + b"no deflated data" * 40)
    session = only(query_sessions(bids, ["01"]))
    assert len(session.stacks) == 1
    messages = sorted(problem.message for problem in session.problems)
    assert "sub-01_run-2_T2w.json: not readable as JSON" in messages[0]
    assert "sub-01_run-3_T2w.nii.gz: cannot be read as NIfTI" in messages[1]
    assert "sub-01_run-4_T2w.nii.gz: cannot be read as NIfTI" in messages[2]


def test_one_stack_in_two_files_is_taken_once(bids: Path, write_stack: WriteStack) -> None:
    packed = write_stack("sub-01_T2w")
    packed.with_name("sub-01_T2w.nii").write_bytes(gzip.decompress(packed.read_bytes()))
    session = only(query_sessions(bids, ["01"]))
    assert [stack.image.name for stack in session.stacks] == ["sub-01_T2w.nii"]
    (problem,) = session.problems
    assert problem.message.startswith("sub-01_T2w.nii.gz: is there a second time as sub-01_T2w.nii. Keep one")


def test_masks_inside_and_outside_the_data_set(bids: Path, write_stack: WriteStack, tmp_path: Path) -> None:
    for echo in (1, 2):
        write_stack(f"sub-01_ses-a_acq-ax_run-1_echo-{echo}_T2w", echo / 10, mask=True)
    inside = bids / "derivatives" / "masks"
    outside = inside.rename(tmp_path / "masks")
    stacks = only(query_sessions(bids, ["01"], masks_dir=outside)).stacks
    assert [s.mask.name for s in stacks if s.mask] == [
        f"sub-01_ses-a_acq-ax_run-1_echo-{echo}_desc-brain_mask.nii.gz" for echo in (1, 2)
    ]
    (bids / "derivatives").mkdir(exist_ok=True)
    outside.rename(inside)
    stacks = only(query_sessions(bids, ["01"], masks_dir=inside)).stacks
    assert all(s.mask is not None and s.mask.is_relative_to(inside) for s in stacks)


def test_a_missing_mask_costs_its_stack(bids: Path, write_stack: WriteStack) -> None:
    write_stack("sub-01_run-1_T2w", mask=True)
    write_stack("sub-01_run-2_T2w")
    session = only(query_sessions(bids, ["01"], masks_dir=bids / "derivatives" / "masks"))
    assert [s.name for s in session.stacks] == ["sub-01_run-1_T2w"]
    (problem,) = session.problems
    assert "sub-01_run-2_T2w: no mask" in problem.message
    assert "sub-01_run-2_desc-brain_mask.nii.gz" in problem.message


def test_a_mask_without_datatype_folder_serves_all_echoes(bids: Path, write_stack: WriteStack, tmp_path: Path) -> None:
    source = write_stack("sub-01_run-1_echo-1_T2w")
    write_stack("sub-01_run-1_echo-2_T2w", 0.2)
    write_stack("sub-01_run-2_echo-1_T2w")
    for run in (1, 2):
        mask = tmp_path / "masks" / "sub-01" / f"sub-01_run-{run}_desc-brain_mask.nii.gz"
        mask.parent.mkdir(parents=True, exist_ok=True)
        mask.write_bytes(source.read_bytes())
    stacks = only(query_sessions(bids, ["01"], masks_dir=tmp_path / "masks")).stacks
    assert [s.mask.name[7:12] for s in stacks if s.mask] == ["run-1", "run-1", "run-2"]


def test_a_mask_that_says_a_suffix_serves_stacks_of_that_suffix_only(bids: Path, write_stack: WriteStack) -> None:
    brain = write_stack("sub-01_run-1_T2w", mask=True)
    write_stack("sub-01_run-1_MESE")
    write_stack("sub-01_run-2_T2w")
    masks = bids / "derivatives" / "masks"
    for number in (1, 2):
        copy = masks / "sub-01" / "anat" / f"sub-01_run-{number}_desc-brainMESE_mask.nii.gz"
        copy.write_bytes(brain.read_bytes())
    session = only(query_sessions(bids, ["01"], masks_dir=masks))
    assert {s.name: s.mask.name for s in session.stacks if s.mask} == {
        "sub-01_run-1_T2w": "sub-01_run-1_desc-brain_mask.nii.gz",
        "sub-01_run-1_MESE": "sub-01_run-1_desc-brainMESE_mask.nii.gz",
    }
    assert [problem.name for problem in session.problems] == ["sub-01_run-2_T2w"]


def test_notes_on_the_number_of_echo_times(bids: Path, write_stack: WriteStack) -> None:
    write_stack("sub-01_run-1_T2w", 0.1)
    write_stack("sub-01_run-2_T2w", 0.1)
    assert "reconstruction without T2 map" in only(query_sessions(bids, ["01"])).notes[0]
    write_stack("sub-01_run-3_T2w", 0.2)
    note = only(query_sessions(bids, ["01"])).notes[0]
    assert "decay penalty is zero" in note
    assert "no degrees of freedom" in note
    write_stack("sub-01_run-4_T2w", 0.3)
    assert len(only(query_sessions(bids, ["01"])).notes) == 1  # that of the next test


def test_echo_times_that_hardly_differ_are_said_to_tell_no_t2(bids: Path, write_stack: WriteStack) -> None:
    for run, te_s in enumerate((0.098, 0.1, 0.102), start=1):  # a clinical scan in three planes
        write_stack(f"sub-01_run-{run}_T2w", te_s)
    assert "span 4 ms, too little to tell T2" in only(query_sessions(bids, ["01"])).notes[0]


def test_notes_on_the_planes_of_the_stacks(bids: Path, write_stack: WriteStack) -> None:
    tes_s = (0.1, 0.2, 0.3)
    for number, te_s in enumerate(tes_s, start=1):
        write_stack(f"sub-01_run-{number}_T2w", te_s)
    session = only(query_sessions(bids, ["01"]))
    (note,) = session.notes
    assert note.startswith("All stacks are axial: expect less detail across the slices")
    one = replace(session, stacks=session.stacks[:1])
    assert any(note.startswith("One stack only") for note in one.notes)
    turned = replace(session.stacks[2], orientation="sagittal")
    assert replace(session, stacks=(*session.stacks[:2], turned)).notes == ()


def test_the_table_has_a_row_per_stack(bids: Path, write_stack: WriteStack) -> None:
    write_stack("sub-01_run-1_T2w", 0.09, mask=True)
    header, row = only(query_sessions(bids, ["01"])).table().splitlines()
    assert header.split()[:2] == ["stack", "TE"]
    assert row.split() == [
        "sub-01_run-1_T2w",
        "90",
        "axial",
        *["16", "x", "16", "x", "8"],
        *["2", "x", "2", "x", "4"],
        "4",
        "to",
        "estimate",
    ]


@pytest.mark.shared
def test_the_simulated_case_has_nine_stacks_with_masks(shared: Path) -> None:
    case = shared / "cases" / "ga24"
    session = only(query_sessions(case, ["ga24"], masks_dir=case / "derivatives" / "masks"), "ga24")
    assert len(session.stacks) == 9
    assert all(stack.mask is not None for stack in session.stacks)
    assert session.echo_times_s == (0.3, 0.397, 0.6)
    assert session.acquisition is None


def several(bids: Path, write: WriteStack, name: str, echo_times: object, n_volumes: int = 3) -> Path:
    return write(
        name,
        meta={"EchoTime": echo_times, "SliceThickness": 4.0},
        change=lambda pixels: np.stack([pixels] * n_volumes, axis=-1),
        mask=True,
    )


def test_a_file_with_several_echo_times_gives_a_stack_for_each(bids: Path, write_stack: WriteStack) -> None:
    image = several(bids, write_stack, "sub-01_acq-ax_part-mag_T2w", [0.1, 0.3, 0.2])
    session = only(query_sessions(bids, ["01"], masks_dir=bids / "derivatives" / "masks"))
    assert [stack.name for stack in session.stacks] == [f"sub-01_acq-ax_echo-{n}_part-mag_T2w" for n in (1, 2, 3)]
    assert [(stack.te_s, stack.volume) for stack in session.stacks] == [(0.1, 0), (0.3, 1), (0.2, 2)]
    assert {stack.image for stack in session.stacks} == {image}
    assert {stack.shape for stack in session.stacks} == {(16, 16, 8)}
    assert all(stack.mask for stack in session.stacks)


@pytest.mark.parametrize(
    ("name", "echo_times", "said"),
    [
        ("sub-01_T2w", 0.1, "holds 3 volumes (shape 16 x 16 x 8 x 3) and one echo time. Give EchoTime as a list"),
        ("sub-01_T2w", [0.1, 0.2], "EchoTime lists 2 times for 3 volume(s)"),
        ("sub-01_T2w", [0.1, 0.2, 300], "volume 3: EchoTime is 300; BIDS wants seconds"),
        ("sub-01_echo-1_T2w", [0.1, 0.2, 0.3], "says echo-1 in its name"),
    ],
)
def test_a_file_with_several_volumes_that_cannot_be_used(
    bids: Path, write_stack: WriteStack, name: str, echo_times: object, said: str
) -> None:
    several(bids, write_stack, name, echo_times)
    (problem,) = only(query_sessions(bids, ["01"])).problems
    assert said in problem.message


def test_metadata_can_be_left_out(bids: Path, write_stack: WriteStack) -> None:
    write_stack("sub-01_T2w", meta={"EchoTime": 0.1, "SliceThickness": 2.5, "SliceTiming": [0.5 * n for n in range(8)]})
    (stack,) = only(query_sessions(bids, ["01"])).stacks
    assert (stack.thickness_mm, len(stack.slice_times_s or ())) == (2.5, 8)
    (stack,) = only(query_sessions(bids, ["01"], ignore=["thickness", "slicetiming"])).stacks
    assert (stack.thickness_mm, stack.slice_times_s) == (4.0, None)
    assert "slice spacing 4 mm used" in stack.note


def test_an_index_is_kept_and_made_anew_when_the_data_set_changed(
    bids: Path, write_stack: WriteStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_stack("sub-01_run-1_T2w")
    write_stack("sub-02_run-1_T2w")
    made = []
    index = query._index
    monkeypatch.setattr(query, "_index", lambda *args: made.append(1) or index(*args))

    def names(subject: str = "01") -> list[str]:
        return [s.name for s in only(query_sessions(bids, [subject], database_dir=tmp_path / "db"), subject).stacks]

    assert names() == ["sub-01_run-1_T2w"]
    assert names("02") == ["sub-02_run-1_T2w"]
    assert len(made) == 1
    assert [path.name for path in (tmp_path / "db").iterdir()] == [query.DATABASE]
    write_stack("sub-01_run-2_T2w")
    assert names() == ["sub-01_run-1_T2w", "sub-01_run-2_T2w"]
    assert len(made) == 2


def test_an_index_that_cannot_be_read_is_made_anew_and_one_that_cannot_be_written_is_said(
    bids: Path, write_stack: WriteStack, tmp_path: Path
) -> None:
    write_stack("sub-01_T2w")
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / query.DATABASE).write_text("no index")
    assert [s.name for s in only(query_sessions(bids, ["01"], database_dir=tmp_path / "db")).stacks] == ["sub-01_T2w"]
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match=r"--bids-database-dir.*cannot be written"):
        query_sessions(bids, ["01"], database_dir=tmp_path / "file" / "db")


def test_an_index_of_another_data_set_is_not_believed(
    bids: Path, write_stack: WriteStack, tmp_path: Path, new_dataset: Callable[[Path], WriteStack]
) -> None:
    write_stack("sub-01_run-1_T2w")
    new_dataset(tmp_path / "other")("sub-01_run-7_T2w")
    for root, name in ((bids, "sub-01_run-1_T2w"), (tmp_path / "other", "sub-01_run-7_T2w")):
        session = only(query_sessions(root, ["01"], database_dir=tmp_path / "db"))
        assert [stack.name for stack in session.stacks] == [name]


def test_what_there_is_has_a_name(bids: Path, write_stack: WriteStack) -> None:
    write_stack("sub-01_T2w", 0.1)
    session = only(query_sessions(bids, ["01"]))
    assert session.amount == "1 stack(s)"
    given = GivenEcho(image=Path("sub-01_rec-inr_echo-1_T2w.nii.gz"), te_s=0.1)
    assert replace(session, stacks=(), echoes=(given,)).amount == "1 reconstructed volume(s)"


def test_participants_without_the_session_are_passed_over_unless_asked_for(
    bids: Path, write_stack: WriteStack, tmp_path: Path
) -> None:
    for name in ("sub-01_ses-a_T2w", "sub-01_ses-b_T2w", "sub-02_ses-a_T2w"):
        write_stack(name, 0.1)
    command = [str(bids), str(tmp_path / "out"), "participant", "--session-label", "b"]
    assert choose_participants(parse_args(command)) == ["01"]
    asked = parse_args([*command, "--participant-label", "01", "02"])
    assert choose_participants(asked) == ["01", "02"]
    assert "no stack with suffix T2w or MESE of session b was found" in nothing_found("02", asked)
