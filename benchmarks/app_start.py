"""How soon the app begins on a large data set, and many of it at once: ``python -m benchmarks.app_start``.

100 participants, 2,000 files: ten small stacks each, with sidecars. The images are noise: nothing is reconstructed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

RESULTS = Path(__file__).parent / "results" / "app_start.json"
N_PARTICIPANTS, N_AT_ONCE = 100, 40
FIRST_STEP = "check ..."
Figures = dict[str, float]


def make_dataset(root: Path) -> Path:
    """Two planes and five echo times for each participant."""
    pixels = np.random.default_rng(0).integers(1, 900, (24, 24, 10)).astype("i2")
    root.mkdir(parents=True)
    (root / "dataset_description.json").write_text(json.dumps({"Name": "large", "BIDSVersion": "1.10.0"}))
    nib.save(nib.Nifti1Image(pixels, np.diag([2.0, 2.0, 4.0, 1.0])), root / "stack.nii.gz")
    image = (root / "stack.nii.gz").read_bytes()
    (root / "stack.nii.gz").unlink()
    for n in range(N_PARTICIPANTS):
        anat = root / f"sub-{n:03}" / "anat"
        anat.mkdir(parents=True)
        for plane in ("ax", "cor"):
            for echo in range(1, 6):
                name = f"sub-{n:03}_acq-{plane}_run-1_echo-{echo}_T2w"
                (anat / f"{name}.nii.gz").write_bytes(image)
                (anat / f"{name}.json").write_text(json.dumps({"EchoTime": echo / 10, "SliceThickness": 4.0}))
    return root


def command(folder: Path, *extra: str) -> list[str]:
    """The app on the data set in ``folder``."""
    paths = [str(folder / "raw"), str(folder / "out"), "participant", "-w", str(folder / "work")]
    return [sys.executable, "-m", "bids_app", *paths, "--device", "cpu", "--skip-bids-validation", *extra]


def until_first_step(folder: Path, *extra: str) -> Figures:
    """Seconds from the command to the line of the first step; the run is then killed."""
    began = time.perf_counter()
    run = subprocess.Popen(command(folder, *extra), stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert run.stdout is not None
    for line in run.stdout:
        if line.rstrip().endswith(FIRST_STEP):
            break
    wall_s = time.perf_counter() - began
    user, system = Path(f"/proc/{run.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    return {"wall_s": round(wall_s, 1), "cpu_s": (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")}


def finding_inputs(folder: Path, *, with_index: bool) -> Figures:
    """Seconds for all participants, of which how many for the index, in a process that has imported pybids."""
    from bids_app.query import _find, list_labels, query_sessions

    root, index = folder / "raw", folder / "index" if with_index else None
    labels = list_labels(root, "sub")
    query_sessions(root, labels[:1], database_dir=index)
    began = time.process_time()
    _find(root, labels, index)
    index_s = time.process_time() - began
    began = time.process_time()
    query_sessions(root, labels, database_dir=index)
    return {"cpu_s": round(time.process_time() - began, 2), "index_cpu_s": round(index_s, 2)}


def at_once(folder: Path) -> dict[str, object]:
    """Exit codes of many plans begun together, with an index that is not there yet."""
    began = time.perf_counter()
    call = command(folder, "--dry-run", "--participant-label", "000", "001", "--bids-database-dir", str(folder / "new"))
    runs = [subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(N_AT_ONCE)]
    codes = [run.wait() for run in runs]
    return {
        "n": N_AT_ONCE,
        "failed": sum(code != 0 for code in codes),
        "wall_s": round(time.perf_counter() - began, 1),
    }


def main(argv: Sequence[str]) -> None:
    """Measure all, print it, and keep it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_dataset(folder / "raw")
        found = {
            "load_average_before": round(os.getloadavg()[0], 1),
            "first_step_one_core": until_first_step(folder, "--nprocs", "1"),
            "first_step_two_cores": until_first_step(folder, "--nprocs", "2"),
            "inputs": finding_inputs(folder, with_index=False),
            "inputs_with_index": finding_inputs(folder, with_index=True),
            "plans_at_once": at_once(folder),
        }
    print(json.dumps(found, indent=1))
    if "--keep" in argv:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
