"""The pages in a real browser with the network blocked: requests, errors, keyboard, viewer, accessibility.

Needs Chromium, Node.js, and once ``npm install`` in this folder; skipped without. ``python -m benchmarks.report``
takes pictures.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from bids_app.group.page import write_page
from bids_app.group.sessions import session_row
from bids_app.messages import Message
from bids_app.report.build import build_report
from bids_app.report.derivatives import find_sessions
from fetalt2prep.io.tables import write_tsv

HERE = Path(__file__).parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
EVIL = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


@pytest.fixture
def look(tmp_path: Path) -> Any:
    """Opens a page and returns what the browser said."""
    if CHROMIUM is None or shutil.which("node") is None:
        pytest.skip("needs Chromium and Node.js")
    if not (HERE / "node_modules" / "puppeteer-core").is_dir():
        pytest.skip(f"needs 'npm install' in {HERE}")

    def open_page(page: Path) -> dict[str, Any]:
        command = ["node", str(HERE / "check.mjs"), str(CHROMIUM), str(page), str(tmp_path / "shots")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=900)
        return dict(json.loads(done.stdout))

    return open_page


def clean(said: dict[str, Any]) -> None:
    for name in ("failed_requests", "network_requests", "console_errors", "page_errors"):
        assert said[name] == [], name
    assert [v for v in said["axe"] if v["impact"] in ("serious", "critical")] == []
    assert said["overflow_px"] <= 0


def session(out_dir: Path, subject: str, *, notes: str = "") -> None:
    """A reconstruction of 40^3 voxels at two echo times with a T2 map, two stacks and their slices."""
    anat = out_dir / f"sub-{subject}" / "anat"
    anat.mkdir(parents=True)
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    index = np.indices((40, 40, 40)) - 19.5
    mask = np.linalg.norm(index, axis=0) < 15
    t2_s = np.where(mask, 0.2 + 0.005 * index[0], np.nan).astype(np.float32)
    start = anat / f"sub-{subject}_rec-inr"

    def image(name: str, values: np.ndarray, meta: dict[str, object] | None = None) -> None:
        nib.save(nib.Nifti1Image(values, affine), f"{name}.nii.gz")
        if meta:
            Path(f"{name}.json").write_text(json.dumps(meta))

    for n, te_s in enumerate((0.1, 0.3), start=1):
        echo = np.where(mask, 1000 * np.exp(-te_s / t2_s), 0).astype(np.float32)
        image(f"{start}_echo-{n}_desc-recon_T2w", echo, {"EchoTime": te_s, "MagneticFieldStrength": 0.55})
    image(f"{start}_desc-brain_mask", mask.astype(np.uint8))
    image(f"{start}_T2map", t2_s)
    image(f"{start}_S0map", np.where(mask, 1000, np.nan).astype(np.float32))
    measured(anat, subject, mask, notes)
    for run, te_s in ((1, 0.1), (2, 0.3)):
        stack = str(anat / f"sub-{subject}_run-{run}")
        image(f"{stack}_desc-preproc_T2w", np.where(mask, 1000 * np.exp(-te_s / 0.2), 50).astype(np.float32))
        image(f"{stack}_desc-brain_mask", mask.astype(np.uint8))


def measured(anat: Path, subject: str, mask: np.ndarray, notes: str) -> None:
    """The tables of two stacks and their slices, none of which moved."""
    of_stacks: dict[str, list[object]] = {
        "stack": [f"sub-{subject}_run-{run}_T2w" for run in (1, 2)],
        "te_s": [0.1, 0.3],
        "spacing_mm": [1.0, 1.0],
        "thickness_mm": [1.0, 1.0],
        "mask_source": ["given", "given"],
        "status": ["used", "used"],
        "notes": [notes, ""],
    }
    write_tsv(of_stacks, anat / f"sub-{subject}_rec-inr_desc-stacks_stats.tsv")
    rows = [(stack, te_s, k) for stack, te_s in zip(of_stacks["stack"], (0.1, 0.3), strict=True) for k in range(40)]
    columns: dict[str, list[object]] = {
        "stack": [stack for stack, _, _ in rows],
        "slice": [k for _, _, k in rows],
        "time_s": [k for _, _, k in rows],
        "te_s": [te_s for _, te_s, _ in rows],
        "status": ["used" if mask[:, :, k].any() else "empty" for _, _, k in rows],
        "residual": [20 + k % 3 for _, _, k in rows],
    }
    columns |= {f"rot_{a}_deg": [1.0] * 80 for a in "xyz"} | {f"shift_{a}_mm": [0.5] * 80 for a in "xyz"}
    columns |= {f"m{r}{c}": [float(r == c)] * 80 for r in range(3) for c in range(4)}
    columns |= {"gain": [1.0] * 80, "weight": [1.0] * 80, "ncc": [0.95] * 80, "reason": [""] * 80}
    write_tsv(columns, anat / f"sub-{subject}_rec-inr_desc-slices_stats.tsv")


def test_a_report_opens_without_a_network_and_all_of_it_works(tmp_path: Path, look: Any) -> None:
    session(tmp_path, "01", notes=EVIL)
    page = build_report(tmp_path, "01", run_uuid="run1", errors=[Message(text=EVIL)], single_file=True)
    said = look(page)
    clean(said)
    assert said["title"] == "sub-01"  # no script of the data set ran
    assert said["inspector"]["title"] == said["inspector"]["cell"]
    assert said["inspector"]["width"] > 20
    assert said["inspector"]["after_arrow"] != said["inspector"]["title"]
    assert said["flicker"] == "Shown: raw interpolation"
    assert said["viewer"]["ready"] or "WebGL" in said["viewer"]["why"]


def test_a_failed_participant_has_a_page(tmp_path: Path, look: Any) -> None:
    log = tmp_path / "sub-02" / "log" / "run1"
    log.mkdir(parents=True)
    (log / "crash-1.txt").write_text("Traceback (most recent call last):\n  File x\nValueError: no stack is left\n")
    page = build_report(tmp_path, "02", run_uuid="run1", errors=[Message(text="no stack is left")])
    clean(look(page))


def test_the_table_of_the_group_sorts(tmp_path: Path, look: Any) -> None:
    for subject in ("01", "02", "03"):
        session(tmp_path, subject)
    rows = [session_row(found, tmp_path) for s in ("01", "02", "03") for found in find_sessions(tmp_path, s)]
    for row, volume in zip(rows, (14.0, 9.0, None), strict=True):
        row["brain_volume"] = volume
    said = look(write_page(tmp_path, rows, [], []))
    clean(said)
    assert said["sorted"] == {"up": ["9.0", "14.0", ""], "down": ["14.0", "9.0", ""], "state": "descending"}
