"""Fixtures and rules for every test: threads, shared data, the accelerator, and what a skip means in CI."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

# Before anything imports torch, NumPy or Nipype: they read these once.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("NO_ET", "1")
os.environ.setdefault("NIPYPE_NO_ET", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest

REPO = Path(__file__).resolve().parents[1]
SHARED = REPO.parent / "shared"
SKIPPED_PROPERTY = "skipped_without_shared_data"


def in_ci() -> bool:
    """Continuous integration sets CI to a true value."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


@pytest.fixture(scope="session")
def repo() -> Path:
    """Root of the checkout."""
    return REPO


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of shared data beside the checkout; skips when absent. Its tests carry the marker ``shared``."""
    if not SHARED.is_dir():
        pytest.skip(f"the shared data are not beside the checkout ({SHARED.name}/ in its parent folder)")
    return SHARED


@pytest.fixture(scope="session")
def device() -> str:
    """A CUDA device's name; skips without one. Its tests carry the marker ``gpu``."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return "cuda"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that takes the fixture carries the marker, and the other way round."""
    for item in items:
        names: list[str] = getattr(item, "fixturenames", [])
        for fixture, marker in (("shared", "shared"), ("device", "gpu")):
            if fixture in names and item.get_closest_marker(marker) is None:
                item.add_marker(marker)
            elif item.get_closest_marker(marker) is not None and fixture not in names:
                names.append(fixture)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and item.get_closest_marker("shared") is not None:
        report.user_properties.append((SKIPPED_PROPERTY, True))
    return report


class SharedDataGuard:
    """In CI a test that was skipped for want of shared data is a failure: it proved nothing."""

    def __init__(self) -> None:
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if (SKIPPED_PROPERTY, True) in [tuple(pair) for pair in report.user_properties] and report.skipped:
            self.skipped.append(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.skipped:
            terminalreporter.section("shared data missing in CI", red=True, bold=True)
            for nodeid in self.skipped:
                terminalreporter.line(f"skipped, which fails the run: {nodeid}")


def pytest_configure(config: pytest.Config) -> None:
    if in_ci():
        config.pluginmanager.register(SharedDataGuard(), "shared-data-guard")
