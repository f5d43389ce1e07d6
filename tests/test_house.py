"""Rules of the house that no other tool checks: sizes, names, imports, offline templates, documentation."""

from __future__ import annotations

import ast
import doctest
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import fetalt2prep

REPO = Path(__file__).resolve().parents[1]
CODE_FOLDERS = ("fetalt2prep", "bids_app", "tests", "benchmarks")
TEXT_ENDINGS = {
    *(".cff", ".css", ".def", ".html", ".in", ".j2", ".js", ".json", ".md", ".py", ".toml", ".tsv", ".txt"),
    *(".yaml", ".yml", ""),
}
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 80
CORE_FORBIDS = {
    *("argparse", "bids", "bids_app", "configparser", "json", "logging", "matplotlib", "nibabel", "nipype"),
    *("niworkflows", "os", "pathlib", "SimpleITK", "tempfile"),
}


def code_files() -> list[Path]:
    return sorted(path for folder in CODE_FOLDERS for path in (REPO / folder).rglob("*.py"))


def product_files() -> list[Path]:
    """The code that is installed."""
    return [path for path in code_files() if path.relative_to(REPO).parts[0] in {"fetalt2prep", "bids_app"}]


def project_files() -> list[Path]:
    """Every text file of the project; what git ignores (environment, caches, demo) is not the project's."""
    roots = [REPO / name for name in (*CODE_FOLDERS, "docs", ".ci")]
    found = [path for root in roots for path in root.rglob("*") if path.is_file()]
    found += [path for path in REPO.iterdir() if path.is_file() and path.name != ".git"]  # a file in a worktree
    skip = {"__pycache__", "_build", "node_modules"}
    return sorted(path for path in found if path.suffix in TEXT_ENDINGS and not skip & set(path.parts))


def name_of(path: Path) -> str:
    return str(path.relative_to(REPO))


def imported_modules(path: Path) -> Iterator[str]:
    """Absolute names of what a file imports, at the top and inside functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}: relative import at line {node.lineno}"
            yield node.module or ""


def lines_without_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Length of a function; documenting the ports of a workflow does not make it harder to read."""
    first = node.body[0]
    documented = ast.get_docstring(node) is not None
    docstring = (first.end_lineno or first.lineno) - first.lineno + 1 if documented else 0
    return (node.end_lineno or node.lineno) - node.lineno + 1 - docstring


def test_the_walk_sees_the_project() -> None:
    names = {name_of(path) for path in project_files()}
    assert {"pyproject.toml", "README.md", ".ci/run", "Makefile", "fetalt2prep/core/signal.py"} <= names


@pytest.mark.parametrize("path", code_files(), ids=name_of)
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text("utf-8")
    n_lines = text.count("\n")
    assert n_lines <= MAX_FILE_LINES, f"{name_of(path)} has {n_lines} lines; the limit is {MAX_FILE_LINES}"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = lines_without_docstring(node)
            assert size <= MAX_FUNCTION_LINES, f"{name_of(path)}: {node.name} has {size} lines"


def test_files_are_named_after_what_is_in_them() -> None:
    unnamed = [name_of(path) for path in code_files() if path.stem in {"utils", "helpers", "common", "misc", "util"}]
    assert unnamed == []


def test_no_exception_is_swallowed() -> None:
    silent = [
        f"{name_of(path)}:{node.lineno}"
        for path in code_files()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ExceptHandler) and len(node.body) == 1 and isinstance(node.body[0], ast.Pass)
    ]
    assert silent == []


@pytest.mark.parametrize(
    "path", [path for path in code_files() if "core" in path.parts and "tests" not in path.parts], ids=name_of
)
def test_core_imports_no_file_or_framework(path: Path) -> None:
    roots = {module.split(".")[0] for module in imported_modules(path)}
    assert roots & CORE_FORBIDS == set()
    inside = {module for module in imported_modules(path) if module.startswith("fetalt2prep.")}
    assert {module for module in inside if not module.startswith("fetalt2prep.core")} == set()


@pytest.mark.parametrize(
    ("module", "owners"),
    [
        ("bids", {"bids_app/query.py"}),
        ("niworkflows", {"bids_app/outputs.py"}),
        ("nilearn", {"fetalt2prep/sim/adult.py"}),  # the packaged template
    ],
)
def test_one_file_knows_the_framework(module: str, owners: set[str]) -> None:
    users = {name_of(p) for p in product_files() if module in {m.split(".")[0] for m in imported_modules(p)}}
    assert users == owners


@pytest.mark.parametrize("statement", ["import fetalt2prep.workflows.fetal_t2", "import bids_app.parser"])
def test_importing_is_cheap(statement: str) -> None:
    """Neither building a workflow nor asking for help pays for plotting, BIDS indexing or the sink."""
    probe = f"import sys; {statement}; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", probe], cwd=REPO, capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in ran.stdout.split()}
    assert loaded & {"bids", "niworkflows", "nireports", "nilearn", "skimage", "SimpleITK"} == set()


def test_report_templates_load_nothing_from_the_network() -> None:
    endings = {".html", ".css", ".js", ".yml", ".j2"}
    templates = [path for path in (REPO / "bids_app").rglob("*") if path.suffix in endings]
    assert templates, "the report has no template"
    address = r"""\s*["']?\s*(?:https?:)?//"""
    loads = re.compile(
        rf"(?:src|srcset|href|data|action)\s*={address}|url\({address}|@import|<link[^>]+rel=.?(?:stylesheet|preload)",
        re.IGNORECASE,
    )
    anchor = re.compile(r"<a\s[^>]*>", re.IGNORECASE)  # a link for the reader to follow loads nothing by itself
    found = {name_of(path): loads.findall(anchor.sub("", path.read_text("utf-8"))) for path in templates}
    assert {name: hits for name, hits in found.items() if hits} == {}


def test_no_path_of_a_developers_machine() -> None:
    folders = (
        "work",
        "tmp/fp",
        "root",
        "Users",
    )  # written so that this file does not contain what it forbids
    forbidden = [f"/{name}/" for name in folders]
    forbidden += ["index" + "-url =", "extra-" + "index", "file:" + "///", "pypi" + ".org/"]
    found = [
        f"{name_of(path)}: {text}"
        for path in project_files()
        for text in forbidden
        if text in path.read_text("utf-8", errors="replace")
    ]
    assert found == []


def test_constraints_are_exact_versions_of_registry_packages() -> None:
    lines = [line for line in (REPO / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line)] == []
    assert "torch==2.13.0" in lines


def test_every_dependency_is_pinned_and_used() -> None:
    """What pyproject asks for is in constraints.txt, and some file of the product imports it."""
    project = tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))["project"]
    normal = [re.split(r"[<>=!~\[; ]", text)[0].lower().replace("_", "-") for text in project["dependencies"]]
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (REPO / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    assert set(normal) - pinned == set()
    import_name = {
        "pillow": "PIL",
        "pybids": "bids",
        "pyyaml": "yaml",
        "scikit-image": "skimage",
        "simpleitk": "SimpleITK",
    }
    imported = {module.split(".")[0] for path in product_files() for module in imported_modules(path)}
    assert {import_name.get(name, name.replace("-", "_")) for name in normal} - imported == set()


def test_the_library_says_that_it_is_typed() -> None:
    assert (REPO / "fetalt2prep" / "py.typed").read_text() == ""
    project = tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))
    assert "Typing :: Typed" in project["project"]["classifiers"]
    assert "fetalt2prep" in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def test_the_image_copies_what_is_there_and_sets_what_the_app_reads() -> None:
    text = (REPO / "Dockerfile").read_text("utf-8")
    copied = [
        name
        for line in text.splitlines()
        if line.startswith("COPY") and "--from" not in line
        for name in line.split()[1:-1]
    ]
    assert {"fetalt2prep", "bids_app", "pyproject.toml", "README.md", "LICENSE"} <= set(copied)
    kept = (REPO / ".dockerignore").read_text("utf-8").splitlines()
    for name in copied:
        assert (REPO / name).exists(), f"Dockerfile copies {name}, which is not there"
        assert f"!{name}" in kept, f".dockerignore keeps {name} out of the build"
    read = re.findall(r'environ\.get\("(\w+_DOCKER_TAG)"\)', (REPO / "bids_app" / "dataset.py").read_text("utf-8"))
    assert len(read) == 1
    assert f"ENV {read[0]}=" in text


def test_version_stands_in_one_place_and_in_the_news() -> None:
    version = fetalt2prep.__version__
    assert f"\n## {version}" in (REPO / "CHANGES.md").read_text("utf-8")
    assert f"\nversion: {version}\n" in (REPO / "CITATION.cff").read_text("utf-8")
    assert "version" in tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))["project"]["dynamic"]


def test_readme_names_the_two_commands_and_the_makefile_has_them() -> None:
    readme = (REPO / "README.md").read_text("utf-8")
    makefile = (REPO / "Makefile").read_text("utf-8")
    for target in ("demo", "test"):
        assert f"make {target}" in readme
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert "make test" in (REPO / ".ci" / "run").read_text("utf-8")
    assert os.access(REPO / ".ci" / "run", os.X_OK)


def test_readme_states_the_intended_use() -> None:
    readme = (REPO / "README.md").read_text("utf-8")
    assert "not a medical device" in readme
    assert "arXiv:2508.10680" in readme


def test_documentation_links_lead_somewhere() -> None:
    pages = [REPO / "README.md", REPO / "CHANGES.md", *(REPO / "docs").rglob("*.md")]
    broken = [
        f"{name_of(page)} -> {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []


@pytest.mark.parametrize("page", sorted((REPO / "docs").rglob("*.md")), ids=name_of)
def test_examples_with_a_prompt_print_what_the_page_says(page: Path) -> None:
    failed, tried = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert failed == 0, f"{name_of(page)}: {failed} of {tried} examples print something else"


def test_every_option_is_documented() -> None:
    from bids_app import parser

    usage = (REPO / "docs" / "usage.md").read_text("utf-8")
    documented = set(re.findall(r"`(-{1,2}[a-z][a-z0-9-]*)", usage))
    options = {
        text
        for action in parser.build_parser()._actions
        for text in action.option_strings
        if "_" not in text  # underscore spellings are aliases
    }
    assert options, "the parser has no options"
    assert options - documented == set()
    assert {text for text in documented if text.startswith("--")} - options == set()
