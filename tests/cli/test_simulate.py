"""``fetalt2 simulate``: what it writes, what it takes from preset and command line, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fetalt2prep.cli.main import build_parser, run
from fetalt2prep.cli.simulate import options_of
from fetalt2prep.sim import CaseOptions

LINE = "--preset fetal-0.55T-32w --stacks 3 --te 300 397 600 --motion moderate --seed 1"
FAST = ["--resolution", "3", "--truth-resolution", "1.6", "--planes", "ax"]


def options(*arguments: str) -> CaseOptions:
    argv = ["simulate", *arguments, "OUT"]
    return options_of(build_parser(argv).parse_args(argv))


def test_the_line_of_the_documentation(repo: Path) -> None:
    assert f"fetalt2 simulate {LINE} OUT\n" in (repo / "docs" / "fetalt2.md").read_text("utf-8")
    found = options(*LINE.split())
    assert found.te_s == pytest.approx((0.3, 0.397, 0.6))
    assert found.planes == ("ax", "cor", "sag")
    assert (found.gestational_age_weeks, found.field_t, found.motion) == (32.0, 0.55, "moderate")


def test_stacks_go_round_the_planes_and_any_option_can_be_set() -> None:
    assert options("--stacks", "4").planes == ("ax", "cor", "sag", "ax")
    assert options("--set", "void_probability=0.5", "--set", "motion=severe").void_probability == 0.5
    assert options("--set", "motion=severe").motion == "severe"
    assert options("--set", "te_s=[0.1, 0.2]").te_s == (0.1, 0.2)
    assert options("--thickness", "3").spacing_mm == 3


def test_command_writes_the_subjects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new"
    assert run(["simulate", str(out), "--subjects", "2", "--seed", "5", "--te", "300", "500", *FAST]) == 0
    assert "sub-sim02: 2 stacks, seed 6" in capsys.readouterr().out
    anat = out / "sub-sim01" / "ses-01" / "anat"
    times = [json.loads(path.read_text())["EchoTime"] for path in sorted(anat.glob("*.json"))]
    assert times == [0.3, 0.5]
    assert "sub-sim02\t25" in (out / "participants.tsv").read_text()


def test_a_users_own_preset(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('gestational_age_weeks = 28\nte_s = [0.1, 0.2]\nmotion = "severe"\n')
    found = options("--preset", str(mine), "--motion", "none")
    assert (found.gestational_age_weeks, found.te_s, found.motion) == (28, (0.1, 0.2), "none")


def test_presets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", "--list-presets"]) == 0
    text = capsys.readouterr().out
    assert "\nfetal-0.55T-32w\n" in text
    assert "te_s = [0.300, 0.397, 0.600]" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--te", "300", "0"], "echo times are seconds between 0 and 5"),
        (["--thickness", "-1"], "thickness_mm is -1"),
        (["--subjects", "0"], "--subjects is 0"),
        (["--stacks", "0"], "--stacks is 0"),
        (["--seed", "-2"], "--seed is -2"),
        (["--age", "60"], "18 to 42 weeks"),
        (["--field", "7"], "field strength is 7"),
        (["--planes", "axial"], "ax, cor, sag, oblique"),
        (["--labels", "dseg.nii.gz"], "a label map needs its table"),
        (["--labels", "dseg.nii.gz", "--lut", "dseg.tsv"], "dseg.tsv"),
        (["--motion-file", "absent.npz"], "absent.npz"),
        (["--preset", "nothing"], "preset is 'nothing'; known presets: adult-0.55T, demo, "),
        (["--preset", "absent.toml"], "absent.toml: there is no such file"),
        (["--set", "colour=1"], "unknown option 'colour'; known options: gestational_age_weeks"),
        (["--set", "gain_sd=much"], "gain_sd is 'much', a text; it must be a number"),
        (["--set", "gain_sd"], "write NAME=VALUE"),
    ],
)
def test_refused_with_the_way_out(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["simulate", str(tmp_path / "out"), *arguments]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "message"), [("a = ", "is not TOML"), ("snrr = 3", "mine.toml: unknown option 'snrr'")]
)
def test_a_broken_preset_file_is_named(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(text)
    assert run(["simulate", str(tmp_path / "out"), "--preset", str(mine)]) == 1
    err = capsys.readouterr().err
    assert str(mine) in err
    assert message in err


def test_a_filled_folder_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    assert run(["simulate", str(tmp_path)]) == 1
    assert "not an empty folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    assert run(["simulate", str(tmp_path / "file" / "out"), "--te", "300", *FAST]) == 1
    assert "cannot be written" in capsys.readouterr().err
