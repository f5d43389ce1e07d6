"""The app on a SLURM of one node: through Nipype's plugin, and as the array of docs/slurm-array.sh.

Not collected with the other tests: it needs root and Debian's slurm-wlm and munge. ``make test-cluster`` runs it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bids_app.conftest import COARSE, WriteStack, make_dataset, three_echoes

HERE = Path(__file__).parent
REPO = HERE.parents[1]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder of a running SLURM; the environment names its configuration meanwhile."""
    folder = tmp_path_factory.mktemp("slurm")
    script = str(HERE / "one_node.sh")
    subprocess.run([script, "start", str(folder)], check=True)
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    try:
        yield folder
    finally:
        del os.environ["SLURM_CONF"]
        subprocess.run([script, "stop", str(folder)], check=True)


@pytest.fixture
def bids(tmp_path: Path) -> Path:
    """Two participants; of the first every image is cut off, which only reading its pixels shows."""
    root = tmp_path / "raw"
    write: WriteStack = make_dataset(root)
    for subject in ("01", "02"):
        three_echoes(write, subject)
    for image in (root / "sub-01").rglob("*.nii.gz"):
        image.write_bytes(image.read_bytes()[:1500])
    return root


def command(bids: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "bids_app", str(bids), str(out), "participant"]


def options(bids: Path) -> list[str]:
    return [*COARSE, "-d", f"masks={bids / 'derivatives' / 'masks'}"]


def results_stand(out: Path) -> None:
    """The second participant has a T2 map and a page; the first a page that says what failed."""
    assert (out / "sub-02" / "anat" / "sub-02_acq-good_rec-inr_T2map.nii.gz").is_file()
    assert not list((out / "sub-01").rglob("*.nii.gz"))
    assert "No stack can be used" in (out / "sub-01.html").read_text()
    assert (out / "sub-02.html").is_file()


def test_nipypes_plugin(slurm: Path, bids: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "slurm.yml"
    plugin.write_text("plugin: SLURM\nplugin_args:\n  sbatch_args: --cpus-per-task=1 --mem=1500\n")
    out = tmp_path / "out"
    call = [*command(bids, out), *options(bids), "-w", str(tmp_path / "work"), "--use-plugin", str(plugin)]
    done = subprocess.run(call, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    results_stand(out)
    assert "1 of 2 participants finished" in done.stdout
    logs = list((tmp_path / "work").rglob("slurm-*.out"))
    assert len(logs) > 5, "the steps did not run as jobs"


def test_a_plugin_that_submits_the_graph_and_returns(slurm: Path, bids: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "slurm.toml"
    plugin.write_text('plugin = "SLURMGraph"\n[plugin_args]\nsbatch_args = "--cpus-per-task=1 --mem=1500"\n')
    out = tmp_path / "out"
    call = [*command(bids, out), *options(bids), "-w", str(tmp_path / "work"), "--participant-label", "02"]
    done = subprocess.run([*call, "--use-plugin", str(plugin)], cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The steps are in the queue" in done.stdout
    queue = ["squeue", "--noheader"]
    deadline = time.monotonic() + 300
    while subprocess.run(queue, capture_output=True, text=True, check=True).stdout.strip():
        assert time.monotonic() < deadline, "the jobs did not end"
        time.sleep(1)
    assert (out / "sub-02" / "anat" / "sub-02_acq-good_rec-inr_T2map.nii.gz").is_file()
    assert subprocess.run([*call, "--reports-only"], cwd=REPO, check=False).returncode == 0
    assert "Reconstructed volumes" in (out / "sub-02.html").read_text()


def test_an_array_of_jobs(slurm: Path, bids: Path, tmp_path: Path) -> None:
    script = str(REPO / "docs" / "slurm-array.sh")
    listed = subprocess.run(["bash", script, str(bids)], capture_output=True, text=True, check=True).stdout.split()
    assert [Path(path).name for path in listed] == ["sub-01", "sub-02"]
    app = tmp_path / "fetalt2prep"
    app.write_text(f'#!/bin/bash\ncd {REPO}\nexec {sys.executable} -m bids_app "$@"\n')
    app.chmod(0o755)
    out, work = tmp_path / "out", tmp_path / "work"
    sbatch = ["sbatch", "--wait", "--array=0-1", "--cpus-per-task=1", "--mem=1500", "-o", str(tmp_path / "job-%a.txt")]
    done = subprocess.run(
        [*sbatch, script, str(bids), str(out), str(work), *options(bids)],
        env=os.environ | {"FETALT2PREP": str(app)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = [(tmp_path / f"job-{n}.txt").read_text() for n in (0, 1)]
    assert done.returncode == 1, done.stderr + "".join(said)
    results_stand(out)
    assert "0 of 1 participants finished" in said[0]
    assert "1 of 1 participants finished" in said[1]


def test_limits_of_a_job_are_seen(slurm: Path, bids: Path, tmp_path: Path) -> None:
    call = [*command(bids, tmp_path / "out"), "-w", str(tmp_path / "work"), "--device", "cpu", "--dry-run"]
    job = tmp_path / "job.sh"
    job.write_text(f"#!/bin/bash\ncd {REPO}\n{' '.join(call)}\n")
    said = tmp_path / "said.txt"
    subprocess.run(["sbatch", "--wait", "-c", "1", "--mem=1000", "-o", str(said), str(job)], check=True)
    assert "one session after the other, 1 thread(s), 943 MB" in said.read_text()  # 90 % of 1000 MiB
