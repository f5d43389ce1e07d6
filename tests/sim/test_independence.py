"""The simulator's forward model is not the one that the reconstruction inverts."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np

import fetalt2prep.sim
from fetalt2prep.sim.acquisition import OVERSAMPLING
from fetalt2prep.sim.dynamic_scan import FINE
from fetalt2prep.sim.kspace import truncate_kspace
from fetalt2prep.sim.options import CaseOptions
from fetalt2prep.sim.profile import profile_points, slice_profile


def test_the_gaussian_profile_is_a_choice_that_nobody_gets_unasked() -> None:
    assert CaseOptions().slice_profile == "tapered"


def test_the_default_profile_is_far_from_a_gaussian_of_its_width() -> None:
    z = np.linspace(-6, 6, 4001)
    sigma = 4.5 / 2.3548
    gaussian = np.exp(-0.5 * (z / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    assert np.trapezoid(np.abs(slice_profile(z, 4.5) - gaussian), z) > 0.2


def test_sampling_is_finer_than_the_pixels_and_the_slice() -> None:
    assert OVERSAMPLING >= 2
    assert len(profile_points(4.5)[0]) >= 9


def test_a_point_rings_as_truncated_kspace_does_and_a_gaussian_does_not() -> None:
    point = np.zeros((64, 64), np.float32)
    point[32, 32] = 1.0
    pixels = truncate_kspace(point, (32, 32))
    assert pixels.min() < -0.02 * pixels.max()


def test_no_line_of_the_reconstruction_is_used() -> None:
    imported = {
        module
        for path in Path(fetalt2prep.sim.__file__).parent.rglob("*.py")
        # slices as SENSE reconstructs them, to be denoised; maps truncated in k-space, as the published evaluation asks
        if path.parent.name not in ("pairs", "guided")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        for module in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    }
    allowed = {f"fetalt2prep.core.{name}" for name in ("signal", "epg", "stack", "metrics")}
    # The dynamic scan is a Fourier transform along a trajectory: the same transform, of an object on a finer grid.
    allowed |= {"fetalt2prep.core.fourier_op", "fetalt2prep.core.kt.trajectory"}
    assert FINE >= 2
    assert {name for name in imported if name.startswith("fetalt2prep.core")} <= allowed
