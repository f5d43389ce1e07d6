"""The workflow, embedded in another one, on a small session: files in, T2 map out."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from nipype import config
from nipype.interfaces.utility import Function, IdentityInterface
from nipype.pipeline import engine as pe

from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.io.tables import read_tsv
from fetalt2prep.workflows.fetal_t2 import init_fetal_t2_wf
from tests.interfaces.conftest import RADII_MM, T2_S, SessionFiles, write_session

Ran = tuple[pe.Workflow, SimpleNamespace, SessionFiles]
PORTS = [
    "stacks",
    "stack_masks",
    "stack_table",
    "echo_files",
    "te_s",
    "brain_mask",
    "slice_table",
    "recon_info",
]
PORTS += ["residual", "density", "t2map", "s0map", "t2_stderr", "rmse", "valid", "t2_info"]


def collect(**ports):  # type: ignore[no-untyped-def]
    return ports


def embed(folder: Path, files: SessionFiles) -> pe.Workflow:
    """Another pipeline that holds ours as one of its parts."""
    config.update_config({"execution": {"check_version": "false", "crashfile_format": "txt"}})
    outer = pe.Workflow(name="mine", base_dir=str(folder))
    outer.config["execution"] = {"crashdump_dir": str(folder), "remove_unnecessary_outputs": "false"}
    inner = init_fetal_t2_wf(recon=ReconOptions(resolution_mm=2.0), n_threads=1)
    source = pe.Node(IdentityInterface(fields=["stacks", "masks"]), name="source")
    source.inputs.trait_set(stacks=files.stacks, masks=files.masks)
    inner.inputs.inputnode.trait_set(
        echo_times_s=files.echo_times_s,
        thicknesses_mm=files.thicknesses_mm,
        slice_times_s=files.slice_times_s,
    )
    sink = pe.Node(Function(function=collect, input_names=PORTS, output_names=["found"]), name="sink")
    outer.connect([
        (source, inner, [("stacks", "inputnode.stacks"), ("masks", "inputnode.masks")]),
        (inner, sink, [(f"outputnode.{port}", port) for port in PORTS]),
    ])  # fmt: skip
    return outer


def run(outer: pe.Workflow) -> SimpleNamespace:
    """What came out of the outputs of our part."""
    sink = next(node for node in outer.run().nodes if node.name == "sink")
    return SimpleNamespace(**sink.result.outputs.found)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("session")
    files = write_session(folder)
    spoiled = Path(files.stacks[8])
    spoiled.write_bytes(spoiled.read_bytes()[:600])
    outer = embed(folder, files)
    return outer, run(outer), files


def test_every_output_is_there(ran: Ran) -> None:
    outputs = ran[1]
    assert outputs.te_s == pytest.approx([0.1, 0.2, 0.3])
    assert len(outputs.echo_files) == 3
    for port in PORTS:
        for path in np.atleast_1d(getattr(outputs, port)):
            assert port == "te_s" or Path(path).is_file(), port


def test_t2_is_that_of_the_object(ran: Ran) -> None:
    outputs = ran[1]
    image = nib.load(outputs.t2map)
    points = np.moveaxis(np.indices(image.shape), 0, -1) @ image.affine[:3, :3].T + image.affine[:3, 3]
    inner = np.linalg.norm(points / (0.7 * RADII_MM), axis=-1) <= 1
    t2 = image.get_fdata()[inner]
    assert np.isfinite(t2).mean() > 0.99
    assert np.nanmedian(t2) == pytest.approx(T2_S, rel=0.05)
    outside = np.linalg.norm(points / (1.5 * RADII_MM), axis=-1) > 1
    assert np.isnan(image.get_fdata()[outside]).all()
    # a core 30 % denser at the same T2 is none of the brain's: the prior on density takes part of it for a longer T2
    assert nib.load(outputs.s0map).get_fdata()[inner].mean() == pytest.approx(1000 * (1 + 0.3 * (5 / 7) ** 3), rel=0.15)


def test_tables_and_accounts(ran: Ran) -> None:
    outputs, files = ran[1:]
    stacks = read_tsv(Path(outputs.stack_table))
    assert stacks["status"] == ["used"] * 8 + ["set-aside"]
    assert Path(files.stacks[8]).name in stacks["notes"][8]
    slices = read_tsv(Path(outputs.slice_table))
    assert set(slices["stack"]) == set(stacks["stack"][:8])
    assert {"m00", "m23", "gain", "weight", "residual", "ncc", "status", "reason"} <= set(slices)
    info = json.loads(Path(outputs.recon_info).read_text())
    assert info["options"]["model"] == "decay"
    assert info["options"]["seed"] == 0
    assert info["cost"]["wall_seconds"] > 0
    inside = nib.load(outputs.brain_mask).get_fdata() > 0
    density = nib.load(outputs.density).get_fdata()
    assert np.isnan(density[~inside]).all()
    # eight stacks without gaps; the slices through the core, whose density no brain has, are outliers here
    assert 1 < np.median(density[inside]) < density[inside].max() < 1.1 * 8
    assert isinstance(info["under_determined"], list)
    assert json.loads(Path(outputs.t2_info).read_text())["voxels_by_reason"]["OK"] > 0


def test_a_second_run_takes_up_what_is_there(ran: Ran) -> None:
    outer, outputs, files = ran
    before = Path(outputs.t2map).stat().st_mtime_ns
    assert run(embed(Path(outer.base_dir), files)).t2map == outputs.t2map
    assert Path(outputs.t2map).stat().st_mtime_ns == before


def test_a_single_stack_of_one_echo_time_without_t2(tmp_path: Path) -> None:
    """Nipype unwraps lists of one on the way; the ports of every step have to take that."""
    files = write_session(tmp_path, te_s=(0.1,))
    workflow = init_fetal_t2_wf(recon=ReconOptions(resolution_mm=2.0), fit_t2=False)
    workflow.base_dir = str(tmp_path / "work")
    workflow.inputs.inputnode.trait_set(
        stacks=files.stacks[:1], masks=files.masks[:1], echo_times_s=files.echo_times_s[:1]
    )
    nodes = {node.name: node for node in workflow.run().nodes}
    assert "fit" not in nodes
    outputs = nodes["recon"].result.outputs
    assert outputs.te_s == [0.1]
    assert nib.load(outputs.echo_files[0]).get_fdata().max() > 300
