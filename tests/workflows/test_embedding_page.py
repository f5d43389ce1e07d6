"""The examples of docs/embedding.md run as they stand, on a small session with the names they use."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fetalt2prep.workflows.fetal_t2 import init_fetal_t2_wf
from tests.interfaces.conftest import T2_S, write_session


@pytest.fixture
def examples(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The page's Python, with ``/data`` in a folder that holds the files; coarse and on one thread, for time."""
    monkeypatch.chdir(tmp_path)
    files = write_session(tmp_path, te_s=(0.300, 0.397, 0.600))
    for number, te_ms in enumerate((300, 397, 600)):
        shutil.move(files.stacks[3 * number], tmp_path / f"ax_te{te_ms}.nii.gz")
        shutil.move(files.masks[3 * number], tmp_path / f"ax_te{te_ms}_mask.nii.gz")
    page = (repo / "docs" / "embedding.md").read_text("utf-8")
    found = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    changes = (("/data/", f"{tmp_path}/"), ("resolution_mm=0.8", "resolution_mm=2.0"), ("n_threads=2", "n_threads=1"))
    for written, here in changes:
        found = [text.replace(written, here) for text in found]
    return found


def test_the_pipeline(examples: list[str], tmp_path: Path) -> None:
    exec(examples[0], {})
    (t2map,) = (tmp_path / "scratch").rglob("T2map.nii.gz")
    assert np.nanmedian(nib.load(t2map).get_fdata()) == pytest.approx(T2_S, rel=0.15)


def test_one_step(examples: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    namespace: dict[str, object] = {}
    exec(examples[1], namespace)
    assert 1 < float(str(namespace["noise"])) < 10
    t2map, stderr = capsys.readouterr().out.split()
    assert Path(stderr).is_file()
    assert np.nanmedian(nib.load(t2map).get_fdata()) == pytest.approx(T2_S, rel=0.1)


def test_the_drawing_has_every_node(repo: Path) -> None:
    drawing = (repo / "docs" / "img" / "fetal_t2_wf.svg").read_text("utf-8")
    drawn = set(re.findall(r"<title>(\w+)</title>", drawing))
    names = init_fetal_t2_wf().list_node_names()
    nodes = {f"fetal_t2_wf_{name}".replace(".", "_") for name in names}
    assert len(nodes) > 10
    assert nodes <= drawn
