from __future__ import annotations

import io
import logging
import time

import pytest

from fetalt2prep.interfaces.account import Meter, software_versions
from fetalt2prep.interfaces.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run_two_stages() -> None:
    with Progress() as progress:
        for step in range(1, 4):
            progress("align", step, 3, 1.0 / step)
        progress("fit", 1, 50, 0.125)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Messages at INFO of the logger that Nipype gives to interfaces."""
    found: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("nipype.interface")
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(logger, "level", logging.INFO)
    logger.manager._clear_cache()  # type: ignore[attr-defined]
    return found


def test_one_line_of_log_per_stage(lines: list[str]) -> None:
    run_two_stages()
    assert len(lines) == 2
    assert lines[0].startswith("recon, align: 3 of 3 steps, loss 0.3333, ")
    assert lines[1].startswith("recon, fit: 1 of 50 steps, loss 0.125, ")


def test_a_stage_that_fails_is_still_logged(lines: list[str]) -> None:
    def fail() -> None:
        with Progress() as progress:
            progress("align", 1, 3, 1.0)
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    assert len(lines) == 1


def test_a_live_line_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fetalt2prep.interfaces.progress.REDRAW_SECONDS", -1.0)
    for stream, live in ((io.StringIO(), False), (Terminal(), True)):
        monkeypatch.setattr("sys.stderr", stream)
        run_two_stages()
        assert ("align: step 2 of 3, loss 0.5" in stream.getvalue()) == live
        assert bool(stream.getvalue()) == live


def test_meter_counts_wall_and_processor_time() -> None:
    meter = Meter()
    time.sleep(0.05)
    read = meter.read()
    assert 0.04 < read["wall_seconds"] < 5
    assert read["cpu_seconds"] < read["wall_seconds"] + 0.5
    assert 0.01 < read["peak_memory_gb"] < 100


def test_versions() -> None:
    assert {"python", "nipype", "numpy", "torch"} <= set(software_versions())
