"""Commands, options, targets and anchors that README and documentation show: each of them is there."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from bids_app.parser import build_parser, parse_args
from fetalt2prep.cli.main import COMMANDS
from fetalt2prep.cli.main import build_parser as build_fetalt2

REPO = Path(__file__).resolve().parents[1]
PAGES = [REPO / "README.md", REPO / "CHANGES.md", *sorted((REPO / "docs").rglob("*.md"))]
OF_OTHERS = {
    *("--array", "--cpus-per-task", "--mem", "--time"),  # sbatch
    *("--cleanenv", "--env", "--no-home", "--nv"),  # apptainer
    *("--gpus", "--network", "--read-only", "--rm", "--tmpfs"),  # docker
    "--find-links",  # pip
    *("--dist", "--no-loadscope-reorder", "--pdb"),  # pytest
}
"""Options of other programs that pages show."""


def name_of(path: Path) -> str:
    return str(path.relative_to(REPO))


def commands(page: Path) -> Iterator[list[str]]:
    """Words of each command of this project in the shell blocks of a page, also of one run in a container."""
    for block in re.findall(r"^```(?:sh|bash|console)\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|;|\|", line):
                words = shlex.split(part.removeprefix("$ "), comments=True)
                if words[:2] in (["docker", "run"], ["apptainer", "run"]):
                    image = next(n for n, word in enumerate(words) if word.removesuffix(".sif") == "fetalt2prep")
                    words = ["fetalt2prep", *words[image + 1 :]]
                if words and words[0] in ("fetalt2", "fetalt2prep"):
                    yield words


SHOWN = [
    pytest.param(words, id=f"{name_of(page)}: {' '.join(words)}")
    for page in PAGES
    for words in commands(page)
    if "{" not in " ".join(words)  # the pattern of a command
]


def test_the_walk_sees_commands() -> None:
    assert len(SHOWN) > 25
    assert {words[1] for (words,) in (shown.values for shown in SHOWN) if words[0] == "fetalt2"} == set(COMMANDS)


@pytest.mark.parametrize("words", SHOWN)
def test_a_command_that_is_shown_is_understood(words: list[str]) -> None:
    program, *arguments = words
    if program == "fetalt2prep":
        parse_args(arguments)
    else:
        build_fetalt2(arguments).parse_args(arguments)


@cache
def options() -> set[str]:
    """Every option of both programs and of the benchmarks."""
    parsers = [build_parser()]
    for command in COMMANDS:
        everything = build_fetalt2([command])
        (sub,) = [action for action in everything._actions if isinstance(action.choices, dict)]
        parsers.append(sub.choices[command])
    known = {text for parser in parsers for action in parser._actions for text in action.option_strings}
    scripts = [path.read_text("utf-8") for path in (REPO / "benchmarks").glob("*.py")]
    return known | {text for script in scripts for text in re.findall(r'"(--[a-z-]+)"', script)}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_an_option_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*[a-z0-9]", page.read_text("utf-8")))
    assert named - options() - OF_OTHERS == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_target_of_make_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text("utf-8"), re.MULTILINE))
    assert named - targets == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_python_of_a_page_imports_is_there(page: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    for block in blocks:
        if ">>>" in block:  # run by test_house
            continue
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith(("fetalt2prep", "bids_app")):
                module = importlib.import_module(str(node.module))
                assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_link_into_a_page_meets_a_heading(page: Path) -> None:
    missing = []
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text("utf-8")):
        other = page if not target else page.parent / target
        if "://" not in target and anchor not in anchors(other):
            missing.append(f"{target}#{anchor}")
    assert missing == []


def anchors(page: Path) -> set[str]:
    """Anchors of the headings of a page, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ +(.+?) *$", page.read_text("utf-8"), re.MULTILINE)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}
