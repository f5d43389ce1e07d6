"""What a built wheel holds: all of both packages, also what is no Python."""

from __future__ import annotations

from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

PACKAGES = ("fetalt2prep", "bids_app")
DATA = (
    "bids_app/data/io_spec.json",
    "bids_app/report/fragments/parts.html",
    "bids_app/report/look/frame.html",
    "bids_app/report/vendor/niivue.umd.js",
    "bids_app/report/vendor/niivue.LICENSE",
    "bids_app/group/fragments/table.html",
    "fetalt2prep/py.typed",
    "fetalt2prep/sim/tissue.tsv",
    "fetalt2prep/sim/presets/demo.toml",
    "fetalt2prep/weights/brain_mask.safetensors",
    "fetalt2prep/weights/denoiser.safetensors",
    "fetalt2prep/weights/guided.safetensors",
)


@pytest.fixture(scope="module")
def held(repo: Path) -> set[str]:
    return {file.distribution_path for file in WheelBuilder(str(repo)).recurse_included_files()}


def test_the_wheel_holds_every_file_of_both_packages_and_nothing_else(repo: Path, held: set[str]) -> None:
    there = {
        path.relative_to(repo).as_posix()
        for package in PACKAGES
        for path in (repo / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == there


def test_the_wheel_holds_weights_presets_templates_and_the_viewer(held: set[str]) -> None:
    assert set(DATA) - held == set()
    assert {Path(name).with_suffix(".json").as_posix() for name in held if name.endswith(".safetensors")} <= held
