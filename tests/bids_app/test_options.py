"""Options: the file of a run gives them back, and what a file may not hold is refused with what it may."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from bids_app.config_file import build_options, places, read_values, write_toml
from bids_app.options import SLOPPY_RESOLUTION_MM
from bids_app.parser import build_parser, parse_args
from fetalt2prep import __version__

TRIAD = ["raw", "out", "participant"]
EXTRA = [
    [],
    ["--participant-label", "01", "02", "-d", "masks=m", "--mem-mb", "4000", "--stop-on-first-crash"],
    ["--recon-model", "mcreg", "--recon-alpha", "0.5", "--random-seed", "7", "--device", "cuda:1", "-vv"],
    ["-d", "recon=r", "--ignore", "slicetiming", "--force", "missing-masks", "--level", "minimal"],
    ["--sloppy", "--masks-only", "--bids-filter-file", "f.json", "--bids-database-dir", "db", "--use-plugin", "p.yml"],
    ["--recon-resolution", "0.8", "0.5", "1.0", "0.5", "--recon-save-field"],
    ["--t2-model", "epg", "--t2-bounds", "0.02", "3", "--t2-echo-spacing", "0.005", "--t2-refocusing", "160"],
    ["--low-mem", "--write-graph", "--clean-workdir", "--skip-bids-validation", "--md-only-boilerplate"],
]


@pytest.mark.parametrize("extra", EXTRA)
def test_a_run_can_be_read_back(extra: list[str], tmp_path: Path) -> None:
    options = parse_args([*TRIAD, *extra])
    path = tmp_path / "log" / "fetalt2prep.toml"
    write_toml(options, path, run_uuid="u1", command_line="fetalt2prep raw out participant")
    assert build_options(read_values(path)) == options
    assert parse_args([*TRIAD, "--config-file", str(path)]) == options


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('participants = ["01"]\nmasks = "m"\n[recon]\nseed = 3\nmodel = "mc"\n')
    options = parse_args([*TRIAD, f"--config_file={path}", "--random-seed", "4", "-d", "recon=r"])
    assert (options.recon.seed, options.recon.model, options.participants) == (4, "mc", ("01",))
    assert (options.masks, options.reconstructions) == (Path("m").absolute(), Path("r").absolute())


def test_every_option_of_the_parser_is_a_place_in_the_file_and_the_other_way_round() -> None:
    known = set(places())
    dests = {action.dest for action in build_parser()._actions}
    assert dests - known == {"help", "version", "derivatives", "resolutions_mm", "config_file", "notrack"}
    # --derivatives and --recon-resolution set some of these; the rest of T2's options are for the file and Python.
    others = {"masks", "segmentation", "reconstructions", "recon.resolution_mm", "sample_mm"}
    assert known - dests == others | {"recon.mem_mb", "t2.floor", "t2.noise_sigma", "t2.t1_s"}


def test_sloppy_is_coarse_and_says_so_in_the_file(tmp_path: Path) -> None:
    options = parse_args([*TRIAD, "--sloppy"])
    assert (options.recon.resolution_mm, options.denoise, options.sloppy) == (SLOPPY_RESOLUTION_MM, "none", True)
    assert parse_args([*TRIAD, "--sloppy", "--recon-resolution", "3"]).recon.resolution_mm == 3


def test_the_file_says_versions_command_line_and_seed(tmp_path: Path) -> None:
    path = tmp_path / "fetalt2prep.toml"
    options = parse_args(["raw", "out", "participant", "--random-seed", "3"])
    write_toml(options, path, run_uuid="u1", command_line="the command")
    content = tomllib.loads(path.read_text())
    assert content["about"]["uuid"] == "u1"
    assert content["about"]["command_line"] == "the command"
    assert content["about"]["fetalt2prep"] == __version__
    assert content["about"]["packages"]["torch"]
    assert content["recon"]["seed"] == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[recon]\nmodle = "decay"', "unknown key modle in [recon]; known are model, field"),
        ('bids = "x"', "unknown key bids; known are bids_dir, output_dir"),
        ('[run]\nnprocs = "four"', "run.nprocs is 'four'; give a whole number"),
        ("[run]\nlow_mem = 1", "run.low_mem is 1; give true or false"),
        ('participants = "01"', "participants is '01'; give a list"),
        ("recon = 3", "recon is 3; it is a table, [recon]"),
        ("[run]\nnprocs = 0", "nprocs is 0; it must be at least 1"),
        ('[recon]\ndevice = "tpu"', "choose auto, cpu, cuda or cuda:n"),
        ('denoise = "bm3d"', "denoise is 'bm3d'; choose one of none, nlm"),
        ("[recon\n", "cannot be read as TOML"),
    ],
)
def test_what_a_file_may_not_hold(text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text + "\n")
    with pytest.raises(SystemExit) as leave:
        parse_args([*TRIAD, "--config-file", str(path)])
    assert leave.value.code == 2
    assert said in capsys.readouterr().err


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_args([*TRIAD, "--config-file", "nowhere.toml"])
    assert "nowhere.toml: cannot be read as TOML" in capsys.readouterr().err
