"""One small case that several tests look at."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fetalt2prep.sim import Case, CaseOptions, simulate_case
from fetalt2prep.sim.preset import read_preset


@pytest.fixture(scope="session")
def small_options() -> CaseOptions:
    """A brain of 36 mm on a coarse grid: well under a second."""
    return replace(
        read_preset("demo"),
        brain_length_mm=36.0,
        truth_mm=1.6,
        in_plane_mm=2.0,
        planes=("ax", "cor"),
        margin_mm=8.0,
    )


@pytest.fixture(scope="session")
def small_case(small_options: CaseOptions) -> Case:
    return simulate_case(small_options, seed=3)
