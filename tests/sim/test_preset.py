"""Presets in TOML: each makes options; values of the wrong kind are named."""

from __future__ import annotations

import pytest

from fetalt2prep.sim.options import CaseOptions
from fetalt2prep.sim.preset import options_from, preset_names, read_preset


def test_every_preset_makes_options() -> None:
    assert {"adult-0.55T", "demo", "fetal-0.55T-32w", "fetal-1.5T-30w"} <= set(preset_names())
    for name in preset_names():
        assert isinstance(read_preset(name), CaseOptions)


def test_the_demo_is_small_and_changes_win() -> None:
    assert read_preset("demo").brain_length_mm == 52.0
    assert read_preset("demo", {"brain_length_mm": None}).brain_length_mm is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"snr": "high"}, "snr is 'high', a text; it must be a number"),
        ({"te_s": 0.3}, r"te_s is 0.3, a number; it must be a list"),
        ({"motion": 3}, "motion is 3, a number; it must be a text"),
        ({"te_s": [0.3, "a"]}, "te_s holds 'a', a text; it wants numbers"),
        ({"echo_train": {"spacing_s": "a"}}, "echo_train.spacing_s is 'a', a text; it must be a number"),
        ({"truth_mm": 30.0}, "above 5 mm a voxel holds no anatomy"),
        ({"snr": True}, "snr is True, a true or false; it must be a number"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        options_from(values)
