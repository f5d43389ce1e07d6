"""What the application does to the environment before its dependencies are imported."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from bids_app.environment import prepare_environment


@pytest.mark.parametrize(("allowed", "moved"), [(os.X_OK, False), (0, True)])
def test_a_home_of_somebody_else_is_not_looked_into(
    allowed: int, moved: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(os, "access", lambda path, mode: mode & allowed == mode)  # root may do anything
    prepare_environment()
    folder = Path(os.environ["MPLCONFIGDIR"])
    assert folder.parent == tmp_path
    assert folder.is_dir()
    assert os.environ["HOME"] == str(folder if moved else tmp_path / "home")
