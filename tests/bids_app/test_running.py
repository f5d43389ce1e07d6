"""What happens to a run from outside: killed, met by another one, out of memory, on a cluster that is not there."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from nipype.interfaces.utility import Function, Merge
from nipype.pipeline import engine as pe
from nipype.utils.filemanip import loadpkl

from bids_app.crashes import read_crashes
from bids_app.execute import StageLines, configure, is_parallel, run_workflow
from bids_app.log import run_log
from bids_app.main import run
from bids_app.options import OptionError, RunOptions
from bids_app.outcome import Outcome
from bids_app.participant_level import batches
from bids_app.plugin_file import read_plugin
from bids_app.provenance import sha256
from bids_app.session import GivenEcho, SessionInputs
from fetalt2prep.io.tables import read_tsv
from tests.bids_app.conftest import COARSE, WriteStack, app, three_echoes

REPO = Path(__file__).resolve().parents[2]


def start(bids: Path, tmp_path: Path, *extra: str) -> subprocess.Popen[bytes]:
    """The command as a process of its own, with the options of :func:`app`."""
    command = [sys.executable, "-m", "bids_app", str(bids), str(tmp_path / "out"), "participant", *COARSE]
    command += ["-d", f"masks={bids / 'derivatives' / 'masks'}", "-w", str(tmp_path / "work"), *extra]
    return subprocess.Popen(command, cwd=REPO, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def killed_when(process: subprocess.Popen[bytes], there: Callable[[], bool]) -> None:
    """Kill a run without warning as soon as something is there."""
    while not there():
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()


def digests(anat: Path) -> dict[str, str]:
    """Checksums of images and tables; the JSON accounts hold seconds, which differ."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(anat.iterdir())
        if path.suffix != ".json" or "stats" not in path.name
    }


def test_killed_at_any_point_a_run_resumes_to_the_same_bytes(
    bids: Path, write_stack: WriteStack, tmp_path: Path
) -> None:
    three_echoes(write_stack)
    assert app(bids, tmp_path / "whole") == 0
    expected = digests(tmp_path / "whole" / "out" / "sub-01" / "anat")
    assert any("T2map.nii.gz" in name for name in expected)
    work, out = tmp_path / "work", tmp_path / "out"
    for pattern in ("*/*/fetal_t2_wf/denoise_wf", "*/*/fetal_t2_wf/recon_wf/recon/_0x*", "*/*/fetal_t2_wf/t2_wf/fit"):
        killed_when(start(bids, tmp_path), lambda p=pattern: any(work.glob(p)))  # type: ignore[misc]
    anat = out / "sub-01" / "anat"
    killed_when(start(bids, tmp_path), lambda: anat.is_dir() and any(anat.iterdir()))
    assert start(bids, tmp_path).wait() == 0
    assert digests(anat) == expected


def test_two_runs_beside_each_other(bids: Path, write_stack: WriteStack, tmp_path: Path) -> None:
    """Two participants on one output folder, as in a job array; a third run on the first is turned away."""
    for subject in ("01", "02"):
        three_echoes(write_stack, subject)
    first = start(bids, tmp_path, "--participant-label", "01")
    second = start(bids, tmp_path, "--participant-label", "02")
    held = tmp_path / "work"
    while not any(held.glob("*/sub_01_wf/fetal_t2_wf/check")):
        assert first.poll() is None
        time.sleep(0.01)
    third = app(bids, tmp_path, "--participant-label", "01")
    assert first.wait() == second.wait() == 0
    assert third == 1
    (said,) = (tmp_path / "out" / "sub-01" / "log").rglob("messages.tsv")
    assert "sub-01: another run is at work on it" in said.read_text()
    for subject in ("01", "02"):
        assert (tmp_path / "out" / f"sub-{subject}" / "anat" / f"sub-{subject}_acq-good_rec-inr_T2map.nii.gz").is_file()
    assert app(bids, tmp_path, "--participant-label", "01") == 0


def test_each_run_records_inputs_stages_and_graph(bids: Path, write_stack: WriteStack, tmp_path: Path) -> None:
    three_echoes(write_stack)
    assert app(bids, tmp_path, "--write-graph", "--sloppy") == 0
    (log,) = (tmp_path / "out" / "sub-01" / "log").iterdir()
    inputs = read_tsv(log / "inputs.tsv")
    assert len(inputs["file"]) == 9  # image, sidecar and mask of three stacks
    row = inputs["file"].index("bids:raw:sub-01/anat/sub-01_acq-good_echo-2_T2w.nii.gz")
    assert inputs["sha256"][row] == sha256(bids / "sub-01" / "anat" / "sub-01_acq-good_echo-2_T2w.nii.gz")
    stages = read_tsv(log / "stages.tsv")
    assert {"fetal_t2_wf.recon_wf.recon", "fetal_t2_wf.t2_wf.fit", "sink_t2"} <= set(stages["step"])
    assert all(float(seconds) >= 0 for seconds in stages["wall_seconds"])
    assert all(float(peak) > 0.05 for peak in stages["peak_memory_gb"])
    assert "digraph" in (log / "sub-01_graph.dot").read_text()
    options = log / "fetalt2prep.toml"
    before = digests(tmp_path / "out" / "sub-01" / "anat")
    again = [str(bids), str(tmp_path / "again"), "participant", "--config-file", str(options), "--clean-workdir"]
    assert run(again) == 0
    assert digests(tmp_path / "again" / "sub-01" / "anat") == before


def _kill_itself() -> None:
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL)


def _say(word):  # type: ignore[no-untyped-def]
    return word


def test_a_worker_that_the_system_kills_is_reported_and_the_others_go_on(tmp_path: Path) -> None:
    """Nipype's own plugin waits for ever here."""
    options = RunOptions(work_dir=tmp_path, nprocs=2)
    configure(options, stop_on_first_crash=False)
    workflow = pe.Workflow(name="run", base_dir=str(tmp_path))
    workflow.config["execution"] = {"crashdump_dir": str(tmp_path / "log")}
    victim = pe.Node(Function(function=_kill_itself, input_names=[], output_names=[]), name="victim")
    first = pe.Node(Function(function=_say, input_names=["word"], output_names=["word"]), name="first")
    second = first.clone("second")
    first.inputs.word = "still here"
    workflow.add_nodes([victim])
    workflow.connect([(first, second, [("word", "word")])])
    stages = StageLines([])
    trouble = run_workflow(workflow, options, stages, parallel=True)
    assert trouble
    said = [crash.message for crash in read_crashes(tmp_path / "log")]
    assert any(message.startswith("victim: MemoryError: a process was killed") for message in said)
    assert all("out of memory" in message for message in said)


def _times(use_gpu):  # type: ignore[no-untyped-def]
    import time

    begin = time.time()
    time.sleep(0.4)
    return [begin, time.time()]


def test_a_full_disk_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(*_: object) -> int:
        with run_log(Path("/dev/full")):  # no byte finds room there
            logging.getLogger("fetalt2prep").info("a step begins")
            raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "T2map.nii.gz"))

    monkeypatch.setattr("bids_app.participant_level.run_participants", work)
    (tmp_path / "raw").mkdir()
    command = [str(tmp_path / "raw"), str(tmp_path / "out"), "participant", "-w", str(tmp_path / "work")]
    assert run(command) == 1
    said = capsys.readouterr().err
    assert said.startswith("fetalt2prep: error: the disk of OUTPUT_DIR or of the work folder is full (No space left")
    assert said.count("\n") == 1


def test_an_interrupted_worker_says_nothing() -> None:
    code = "import os, signal, bids_app.worker; os.kill(os.getpid(), signal.SIGINT)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


def test_one_step_at_a_time_has_the_gpu(tmp_path: Path) -> None:
    options = RunOptions(work_dir=tmp_path, nprocs=2)
    configure(options, stop_on_first_crash=False)
    workflow = pe.Workflow(name="run", base_dir=str(tmp_path))
    join = pe.Node(Function(function=_say, input_names=["word"], output_names=["word"]), name="join")
    merge = pe.Node(Merge(2), name="merge")
    for n in (1, 2):
        function = Function(function=_times, input_names=["use_gpu"], output_names=["times"])
        node = pe.Node(function, name=f"gpu{n}")
        node.inputs.use_gpu = True
        workflow.connect([(node, merge, [("times", f"in{n}")])])
    workflow.connect([(merge, join, [("out", "word")])])
    assert run_workflow(workflow, options, StageLines([]), parallel=True) == ""
    begin1, end1, begin2, end2 = loadpkl(tmp_path / "run" / "join" / "result_join.pklz").outputs.word
    assert end1 <= begin2 or end2 <= begin1


def test_plans_beside_each_other_share_one_index(bids: Path, write_stack: WriteStack, tmp_path: Path) -> None:
    """Each finds no index and makes one; none reads a part of another's."""
    for subject in ("01", "02"):
        three_echoes(write_stack, subject)
    command = [sys.executable, "-m", "bids_app", str(bids), str(tmp_path / "out"), "participant", "--dry-run"]
    command += ["--device", "cpu", "--bids-database-dir", str(tmp_path / "db")]
    runs = [subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0] * 4
    assert all("2 participant(s), 2 session(s) to process" in text for text in said)
    assert len(list((tmp_path / "db").iterdir())) == 1


@pytest.mark.parametrize(
    ("how", "n_sessions", "parallel"),
    [
        ({"nprocs": 1}, 5, False),
        ({"nprocs": 4}, 1, False),
        ({"nprocs": 4}, 2, True),
        ({"nprocs": 4, "low_mem": True}, 2, False),
        ({"nprocs": 1, "use_plugin": Path("slurm.yml")}, 1, True),
    ],
)
def test_one_core_means_one_after_the_other(how: dict[str, object], n_sessions: int, parallel: bool) -> None:
    assert is_parallel(RunOptions(work_dir=Path("w"), **how), n_sessions) is parallel  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.yml", "plugin: SLURM\nplugin_args:\n  sbatch_args: --mem=4G\n"),
        ("p.toml", 'plugin = "SLURM"\n[plugin_args]\nsbatch_args = "--mem=4G"\n'),
    ],
)
def test_plugin_files(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    plugin = read_plugin(tmp_path / name)
    assert (plugin.name, plugin.args, plugin.waits) == ("SLURM", {"sbatch_args": "--mem=4G"}, True)
    (tmp_path / name).write_text(text.replace("SLURM", "SLURMGraph"))
    assert not read_plugin(tmp_path / name).waits


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plugin: Slurm", "plugin is 'Slurm'; Nipype has"),
        ("plugins: SLURM", "unknown key plugins; known are plugin, plugin_args"),
        ("- SLURM", "no table"),
        ("plugin: SLURM\nplugin_args: 3", "plugin_args is 3; it is a table"),
        ("plugin: [", "cannot be read"),
    ],
)
def test_a_plugin_file_that_is_wrong(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "plugin.yml"
    path.write_text(text)
    with pytest.raises(OptionError, match=said):
        read_plugin(path)


def test_names_of_jobs_need_a_name_of_the_user() -> None:
    assert os.environ["LOGNAME"]


@pytest.mark.parametrize(
    ("n_sessions", "size", "expected"),
    [
        ([1, 1, 1], 1, [["0"], ["1"], ["2"]]),
        ([1, 0, 1, 1], 2, [["0", "1", "2"], ["3"]]),
        ([3, 1, 1, 2], 2, [["0"], ["1", "2"], ["3"]]),
        ([0, 1, 0], 1, [["0"], ["1"], ["2"]]),
        ([1, 1], 10**9, [["0", "1"]]),
        ([], 4, []),
    ],
)
def test_participants_run_in_batches(n_sessions: list[int], size: int, expected: list[list[str]]) -> None:
    echo = GivenEcho(image=Path("e.nii"), te_s=0.1)
    outcomes = [
        Outcome(
            subject=str(n),
            log_dir=Path("log"),
            sessions=[SessionInputs(subject=str(n), session=str(k), echoes=(echo,)) for k in range(count)],
        )
        for n, count in enumerate(n_sessions)
    ]
    assert [[outcome.subject for outcome in group] for group in batches(outcomes, size)] == expected
