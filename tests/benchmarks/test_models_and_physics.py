"""Queue of models, and signals that are no single exponential."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import engine_page, limits, models_page, wrong_physics
from benchmarks.models import missing
from fetalt2prep.sim import scan
from fetalt2prep.sim.prescription import draw_prescription
from fetalt2prep.sim.scene import draw_subject
from fetalt2prep.sim.truth import loglinear_t2, spin_echo


def row(case: str, model: str, **more: object) -> dict[str, object]:
    misfit = [{"te_s": te, "mean_percent": 0.1, "rms_percent": 3.0, "departure_percent": 0.0} for te in (0.1, 0.2)]
    where = {"case": case, "resolution_mm": 0.8, "stacks": 3}
    return where | {"model": model, "wm": 20.0, "gm": 40.0, "ssim": [0.9, 0.8], "misfit": misfit} | more


def test_a_queue_goes_on_where_it_stopped() -> None:
    wanted = [("ga24", 0.8, 3, "sc"), ("ga24", 0.8, 3, "decay"), ("ga24", 0.8, 1, "decay"), ("ga24", 1.2, 3, "decay")]
    assert missing([row("ga24", "decay")], wanted) == [wanted[0], *wanted[2:]]


def test_table_of_models_has_a_column_each_and_says_what_was_not_run() -> None:
    lines = models_page.orderings([row("ga24", "decay"), row("ga24", "sc", wm=60.0), row("ga24", "mc", stacks=1)])
    assert lines.splitlines()[2] == "| ga24 | 0.8 | 3 | 60.0 / 40.0, 0.850 | - | - | 20.0 / 40.0, 0.850 |"
    assert lines.splitlines()[3] == "| ga24 | 0.8 | 1 | - | 20.0 / 40.0, 0.850 | - | - |"


def test_models_are_paired_case_by_case_on_one_lattice() -> None:
    runs = [row(f"fresh {n}", model, wm=wm) for n in (0, 1) for model, wm in (("mcreg", 10.0 + 20 * n), ("mc", 20.0))]
    runs += [row("fresh 2", "mcreg"), row("fresh 3", "mc", resolution_mm=1.2), row("fresh 3", "mcreg")]
    assert models_page.paired(runs).splitlines()[2:] == [
        "| 3 | `mcreg` over `mc` | 2 | 1.00 (1.50), 1 | 1.00 (1.00), 0 | +0.000 |"
    ]


def test_table_of_wrong_physics_has_the_residual_of_every_echo() -> None:
    assert "| +0.10 / +0.10 | 3.0 / 3.0 | 0.00 / 0.00 |" in engine_page.wrong([row("10 % fluid", "decay")])


def test_fluid_is_mixed_into_tissue_alone_and_only_inside() -> None:
    m0, t2_s = np.array([1000.0, 1500.0, 0.0], np.float32), np.array([0.2, 1.5, 0.2], np.float32)
    plain, mixed = (
        np.stack([make(m0, t2_s, te) for te in (0.3, 0.6)]) for make in (spin_echo, wrong_physics.with_fluid)
    )
    by_hand = 0.9 * plain[:, 0] + 0.1 * 1500.0 * np.exp(-np.array([0.3, 0.6]) / 1.5)
    np.testing.assert_allclose(mixed[:, 0], by_hand, rtol=1e-5)
    np.testing.assert_array_equal(mixed[:, 1:], plain[:, 1:])
    assert float(loglinear_t2(mixed[:, :1], np.array([0.3, 0.6]))[0]) > 0.25
    before = scan.spin_echo
    with wrong_physics.mixing():
        assert scan.spin_echo is wrong_physics.with_fluid
    assert scan.spin_echo is before


@pytest.mark.parametrize("name", list(wrong_physics.CASES))
def test_the_sessions_differ_in_their_signal_alone(name: str) -> None:
    options, _ = wrong_physics.CASES[name]
    base = wrong_physics.base()
    assert options.te_s == base.te_s
    assert (options.echo_train is None) == (name != "stimulated echoes")


def test_shifted_stacks_stay_within_half_a_voxel_and_differ() -> None:
    options = replace(wrong_physics.base(), gestational_age_weeks=22.0)
    rng = np.random.default_rng(0)
    subject = draw_subject(options, rng)
    at_rest, moved = (
        make(np.random.default_rng(1), options, subject, np.eye(4)) for make in (draw_prescription, limits.shifted)
    )
    assert len({tuple(plan.affine[:3, 3]) for plan in at_rest}) == 3  # a plane is the same at every echo time
    assert len({tuple(plan.affine[:3, 3]) for plan in moved}) == 9
    for one, other in zip(at_rest[:3], moved[:3], strict=True):  # planes after the first draw other numbers
        voxels = np.linalg.solve(one.affine[:3, :3], other.affine[:3, 3] - one.affine[:3, 3])
        assert np.abs(voxels).max() <= 0.5
