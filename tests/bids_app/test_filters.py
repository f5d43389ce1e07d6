"""``--bids-filter-file``: what it selects, and what it may not hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bids_app.filters import passes, read_filters
from bids_app.options import OptionError
from bids_app.query import query_sessions
from tests.bids_app.conftest import WriteStack


@pytest.mark.parametrize(
    ("wanted", "selected"),
    [
        ({}, {"acq-a_run-1", "acq-a_rec-norm_run-1", "acq-b_run-02", "run-3"}),
        ({"reconstruction": None}, {"acq-a_run-1", "acq-b_run-02", "run-3"}),
        ({"reconstruction": "*"}, {"acq-a_rec-norm_run-1"}),
        ({"acquisition": ["b", None]}, {"acq-b_run-02", "run-3"}),
        ({"run": 2}, {"acq-b_run-02"}),
        ({"run": "2"}, {"acq-b_run-02"}),
        ({"run": [1, 3], "acquisition": "*", "reconstruction": None}, {"acq-a_run-1"}),
        ({"session": "x"}, set()),
    ],
)
def test_images_that_pass(
    wanted: dict[str, Any], selected: set[str], bids: Path, write_stack: WriteStack, tmp_path: Path
) -> None:
    for name in ("acq-a_run-1", "acq-a_rec-norm_run-1", "acq-b_run-02", "run-3"):
        write_stack(f"sub-01_{name}_T2w")
    write_stack("sub-01_echo-1_MESE")
    path = tmp_path / "filter.json"
    path.write_text(json.dumps({"t2w": wanted, "mese": {"echo": "9"}}))
    sessions = query_sessions(bids, ["01"], filters=read_filters(path))["01"]
    names = {stack.name for session in sessions for stack in session.stacks}
    assert names == {f"sub-01_{name}_T2w" for name in selected}


def test_masks_can_be_chosen(bids: Path, write_stack: WriteStack) -> None:
    write_stack("sub-01_run-1_T2w", mask=True)
    masks = bids / "derivatives" / "masks"
    (mask,) = masks.rglob("*_mask.nii.gz")
    mask.rename(mask.with_name("sub-01_run-1_label-head_desc-brain_mask.nii.gz"))
    found = query_sessions(bids, ["01"], masks_dir=masks, filters={"mask": {"label": None}})["01"][0]
    assert found.stacks == ()
    found = query_sessions(bids, ["01"], masks_dir=masks, filters={"mask": {"label": "head"}})["01"][0]
    assert len(found.stacks) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "queries, each with entities"),
        ('{"t2w": "haste"}', "queries, each with entities"),
        ('{"bold": {}}', "unknown query 'bold'; known are t2w, mese, mask"),
        ('{"t2w": {"acq": "x"}}', "unknown entity of t2w 'acq'; known are subject, session"),
        ('{"t2w": {"run": {"a": 1}}}', "t2w.run is"),
        ('{"t2w": {"run": [1.5]}}', "t2w.run is"),
    ],
)
def test_a_file_that_is_wrong(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "filter.json"
    path.write_text(text)
    with pytest.raises(OptionError, match=said):
        read_filters(path)


def test_no_file_selects_all() -> None:
    assert read_filters(None) == {}
    assert passes({"run": "1"}, {})
