"""The simulator as a node: files where the ports say, ports that fit the workflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from fetalt2prep.interfaces.simulate import Simulate
from fetalt2prep.workflows.fetal_t2 import INPUTS

SMALL = {"brain_length_mm": 36.0, "truth_mm": 1.6, "in_plane_mm": 3.0, "planes": ["ax"], "te_s": [0.3, 0.5]}


def test_a_session_with_its_metadata_and_truth() -> None:
    out = Simulate(preset="demo", changes=SMALL, seed=2, subject="x1").run().outputs
    assert out.echo_times_s == [0.3, 0.5]
    assert out.thicknesses_mm == [4.5, 4.5]
    assert [Path(path).name for path in out.stacks] == [
        f"sub-x1_ses-01_acq-ax_run-1_echo-{k}_T2w.nii.gz" for k in (1, 2)
    ]
    assert len(out.masks) == len(out.slice_times_s) == 2
    assert Path(out.truth_t2map).parent == Path(out.truth_dir)
    assert set(INPUTS) - {"slice_directions"} <= set(out.copyable_trait_names())


def test_a_wrong_option_is_named() -> None:
    with pytest.raises(ValueError, match="unknown option 'colour'"):
        Simulate(changes={"colour": 1}).run()
