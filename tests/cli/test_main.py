"""The door: which commands there are, how soon it answers, and what it says of a wrong line."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fetalt2prep.cli
from fetalt2prep import __version__
from fetalt2prep.cli.main import COMMANDS, build_parser, module_of, run

NO_COMMANDS = {"__main__", "main", "progress_bar", "training", "paths"}


def test_every_command_has_its_file_and_every_file_its_command() -> None:
    files = {module.name for module in pkgutil.iter_modules(fetalt2prep.cli.__path__)} - NO_COMMANDS
    assert files == {name.replace("-", "_") for name in COMMANDS}
    for name in COMMANDS:
        module = importlib.import_module(module_of(name))
        assert module.DESCRIPTION
        assert callable(module.add_arguments)
        assert callable(module.run)


@pytest.mark.parametrize("command", [[], *[[name] for name in COMMANDS]])
def test_help_loads_nothing_heavy(command: list[str]) -> None:
    probe = "import sys; from fetalt2prep.cli.main import run; run(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    ran = subprocess.run([sys.executable, "-c", probe, *command, "--help"], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("usage: fetalt2")
    loaded = {name.split(".")[0] for name in ran.stderr.split()}
    assert loaded & {"numpy", "torch", "nibabel", "scipy", "nipype", "SimpleITK", "skimage"} == set()


def test_version_and_wrong_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"fetalt2 {__version__}\n"
    assert run([]) == 2
    assert run(["stimulate"]) == 2
    assert "choose from" in capsys.readouterr().err


def test_a_reader_who_leaves_is_no_crash() -> None:
    read, write = os.pipe()
    os.close(read)
    ran = subprocess.run(
        [sys.executable, "-m", "fetalt2prep.cli", "simulate", "--list-presets"],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert ran.returncode in {0, 141}  # the text may fit into the pipe's buffer
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_documented(command: str, repo: Path) -> None:
    page = (repo / "docs" / "fetalt2.md").read_text("utf-8")
    section = page.split(f"\n## fetalt2 {command}\n")[1].split("\n## ")[0]
    documented = set(re.findall(r"`(-{1,2}[a-z][a-z0-9-]*)", section))
    (subcommands,) = (a for a in build_parser([command])._actions if a.dest == "command")
    actions = subcommands.choices[command]._actions  # type: ignore[union-attr, call-overload]
    options = {text for action in actions for text in action.option_strings} - {"-h", "--help"}
    assert options == documented
