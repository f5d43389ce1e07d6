"""Options: the file of a run gives them back, and unknown keys are refused."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from bids_app.options import OptionError, read_toml, write_toml
from bids_app.parser import parse_args
from fetalt2prep import __version__


@pytest.mark.parametrize(
    "extra",
    [
        [],
        ["--participant-label", "01", "02", "-d", "masks=m", "--mem-mb", "4000", "--stop-on-first-crash"],
        ["--recon-resolution", "0.8", "0.5", "1.0", "0.5", "--recon-save-field"],
        ["--recon-model", "mcreg", "--recon-alpha", "0.5", "--random-seed", "7", "--device", "cuda:1", "-vv"],
    ],
)
def test_a_run_can_be_read_back(extra: list[str], tmp_path: Path) -> None:
    options = parse_args(["raw", "out", "participant", *extra])
    path = tmp_path / "log" / "fetalt2prep.toml"
    write_toml(options, path, run_uuid="u1", command_line="fetalt2prep raw out participant")
    assert read_toml(path) == options


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


def test_unknown_keys_are_refused_with_the_known_ones(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('bids_dir = "a"\noutput_dir = "b"\n[run]\nwork_dir = "w"\n[recon]\nmodle = "decay"\n')
    with pytest.raises(OptionError, match=r"unknown key modle; known are model, field"):
        read_toml(path)
