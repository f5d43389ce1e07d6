from __future__ import annotations

from pathlib import Path

import pytest

from fetalt2prep.io.tables import read_tsv
from fetalt2prep.workflows.fetal_t2 import init_fetal_t2_wf
from tests.interfaces.conftest import write_session


@pytest.fixture
def without_first_mask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Nine stacks, the first without a mask."""
    monkeypatch.chdir(tmp_path)
    files = write_session(tmp_path)
    return {"stacks": files.stacks, "masks": [None, *files.masks[1:]], "echo_times_s": files.echo_times_s}


def test_a_missing_mask_is_looked_for_and_its_failure_sets_the_stack_aside(
    without_first_mask: dict[str, object], tmp_path: Path
) -> None:
    """A plain ellipsoid of 12 mL is no brain."""
    workflow = init_fetal_t2_wf(reconstruct=False, denoise="none")
    workflow.base_dir = str(tmp_path)
    workflow.inputs.inputnode.trait_set(**without_first_mask)
    results = {node.name: node.result.outputs for node in workflow.run().nodes if node.name in ("select", "assess")}
    select = results["select"]
    table = read_tsv(Path(select.stack_table))
    assert table["status"] == ["set-aside", *["used"] * 8]
    assert table["mask_source"] == ["network", *["given"] * 8]
    assert "Give a brain mask" in table["notes"][0]
    assert len(select.out_files) == len(select.masks) == len(select.slice_times_s) == 8
    quality = read_tsv(Path(results["assess"].quality_table))
    assert quality["mask_verdict"] == ["failed", *["ok"] * 8]
    assert quality["use"] == ["false", *["true"] * 8]
