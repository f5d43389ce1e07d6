"""Simulated data set -> command -> derivatives, scored against the truth; resumed; broken neighbour."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import affine_transform

from bids_app.main import run
from fetalt2prep.core.metrics import t2_error
from fetalt2prep.sim import simulate_case, write_case
from fetalt2prep.sim.phantom import Label
from fetalt2prep.sim.preset import read_preset
from fetalt2prep.sim.score import read_truth, read_volume

GOOD, BROKEN, SESSION = "sim01", "broken", "01"
# Milliseconds; at this coarse grid 74 and 19 were measured for a true median of 337.
MAX_MAE_WHITE_MS, MAX_MEDIAN_OFF_MS = 90.0, 45.0


@dataclass(frozen=True)
class Demo:
    """A data set with one sound and one broken participant, and where the command puts its results."""

    root: Path

    @property
    def bids(self) -> Path:
        return self.root / "bids"

    @property
    def out(self) -> Path:
        return self.root / "derivatives"

    @property
    def anat(self) -> Path:
        return self.out / f"sub-{GOOD}" / f"ses-{SESSION}" / "anat"

    def run(self, *extra: str) -> int:
        masks = f"masks={self.bids / 'derivatives' / 'masks'}"
        paths = [str(self.bids), str(self.out), "participant", "-d", masks, "-w", str(self.root / "work")]
        return run([*paths, "--device", "cpu", "--nprocs", "1", "--recon-resolution", "1.2", *extra])

    def node_results(self) -> dict[Path, int]:
        """Time stamps of what the nodes of the library's workflow left in the work folder."""
        found = (self.root / "work").glob(f"*/*{GOOD}*/fetal_t2_wf/**/result_*.pklz")
        return {path: path.stat().st_mtime_ns for path in found}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Demo, int]:
    """The data set after one run, and the exit code of that run."""
    demo = Demo(tmp_path_factory.mktemp("demo"))
    write_case(simulate_case(read_preset("demo"), seed=1), demo.bids, GOOD)
    for root in (demo.bids, demo.bids / "derivatives" / "masks"):
        for path in sorted((root / f"sub-{GOOD}").rglob("*.*")):
            copy = root / str(path.relative_to(root)).replace(GOOD, BROKEN)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    for path in (demo.bids / f"sub-{BROKEN}").rglob("*.nii.gz"):
        path.write_bytes(path.read_bytes()[:4000])
    return demo, demo.run()


def stem(kind: str) -> str:
    return f"sub-{GOOD}_ses-{SESSION}_{kind}"


def test_the_broken_participant_makes_the_exit_code_1_and_no_results(demo: tuple[Demo, int]) -> None:
    data, code = demo
    assert code == 1
    assert not list((data.out / f"sub-{BROKEN}").rglob("*.nii.gz"))
    assert "No stack can be used" in (data.out / f"sub-{BROKEN}.html").read_text()
    (log,) = (data.out / "logs").glob("run-*.log")
    assert "1 of 2 participants finished" in log.read_text()


def test_all_files_of_the_sound_participant_are_there(demo: tuple[Demo, int]) -> None:
    data, _ = demo
    images = ["rec-inr_T2map", "rec-inr_S0map", "rec-inr_desc-uncertainty_T2map", "rec-inr_desc-rmse_T2w"]
    images += [
        "rec-inr_desc-brain_mask",
        "rec-inr_desc-reason_dseg",
        "rec-inr_label-CSF_probseg",
        "rec-inr_desc-bias_T2w",
        "rec-inr_desc-density_T2w",
    ]
    images += [f"rec-inr_echo-{n}_desc-recon_T2w" for n in (1, 2, 3)]
    for plane in ("ax", "cor", "sag"):
        for n in (1, 2, 3):
            stack = f"acq-{plane}_run-1_echo-{n}"
            images += [f"{stack}_desc-preproc_T2w", f"{stack}_desc-brain_mask"]
    expected = {stem(f"{name}.{end}") for name in images for end in ("nii.gz", "json")}
    expected |= {
        stem(f"rec-inr_desc-{d}_stats.{end}")
        for d in ("stacks", "slices", "regions", "quality", "audit")
        for end in ("tsv", "json")
    }
    expected |= {stem(f"rec-inr_desc-{d}_stats.json") for d in ("recon", "t2", "budget")}
    assert {path.name for path in data.anat.iterdir()} == expected
    (run_log,) = (data.out / f"sub-{GOOD}" / "log").iterdir()
    assert sorted(path.name for path in run_log.iterdir()) == ["fetalt2prep.toml", "inputs.tsv", "stages.tsv"]
    page = (data.out / f"sub-{GOOD}.html").read_text()
    assert "Traceback" not in page


def test_the_validator_finds_no_error(demo: tuple[Demo, int]) -> None:
    data, _ = demo
    command = [str(Path(sys.executable).with_name("bids-validator-deno")), "--format", "json", str(data.out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    issues: list[dict[str, Any]] = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []
    assert done.returncode == 0


def test_t2_is_near_the_truth(demo: tuple[Demo, int]) -> None:
    """Voxel by voxel in the scanner's frame, not registered: with mild motion both frames nearly agree."""
    data, _ = demo
    truth = read_truth(data.bids / "derivatives" / "truth" / f"sub-{GOOD}" / f"ses-{SESSION}" / "anat")
    assert truth.t2_s is not None
    found = read_volume(data.anat / stem("rec-inr_T2map.nii.gz"))
    index = np.linalg.inv(found.affine) @ truth.affine
    t2_s = affine_transform(found.values, index[:3, :3], index[:3, 3], output_shape=truth.t2_s.shape, order=1)
    white = t2_error(t2_s, truth.t2_s, truth.labels == Label.WHITE_MATTER).as_ms()
    grey = t2_error(t2_s, truth.t2_s, truth.labels == Label.DEEP_GREY).as_ms()
    assert white["mae"] < MAX_MAE_WHITE_MS
    assert white["median"] == pytest.approx(white["true_median"], abs=MAX_MEDIAN_OFF_MS)
    assert grey["median"] < white["median"]


def test_a_second_run_uses_what_the_first_left(demo: tuple[Demo, int]) -> None:
    data, _ = demo
    before = data.node_results()
    assert len(before) >= 4
    t2map = data.anat / stem("rec-inr_T2map.nii.gz")
    content = t2map.read_bytes()
    t2map.unlink()
    assert data.run("--participant-label", GOOD) == 0
    assert data.node_results() == before
    assert t2map.read_bytes() == content
    log = max((data.out / "logs").glob("run-*.log"), key=lambda path: path.stat().st_mtime_ns)
    assert '[Node] Cached "' in log.read_text()


def test_reports_can_be_written_again_without_the_work_folder(demo: tuple[Demo, int]) -> None:
    data, _ = demo
    page = data.out / f"sub-{GOOD}.html"
    page.unlink()
    assert data.run("--reports-only", "--participant-label", GOOD) == 0
    assert page.stat().st_size > 10_000
