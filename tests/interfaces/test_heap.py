"""Freed memory stays in the process during a reconstruction, and only then."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fetalt2prep.interfaces import heap
from fetalt2prep.interfaces.heap import glibc, kept_heap

BLOCK_MB = 32 + 2
N_BLOCKS = 30
PAGES = BLOCK_MB * 2**20 // resource.getpagesize()
needs_glibc = pytest.mark.skipif(glibc() is None, reason="the C library is not glibc")


def faults_of_many_blocks() -> int:
    """Page faults of making and dropping tensors, one after the other."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(N_BLOCKS):
        torch.ones(BLOCK_MB * 2**18)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


@needs_glibc
def test_pages_are_mapped_once_and_not_at_every_step() -> None:
    """The first few blocks do not fit where the one before was: what aligning it cut off rests in a cache of seven."""
    before = faults_of_many_blocks()
    with kept_heap() as kept:
        assert kept
        within = faults_of_many_blocks()
    if before < (N_BLOCKS - 1) * PAGES:
        pytest.skip("one fault maps many pages on this machine, so that there is nothing to count")
    assert within < 12 * PAGES


@needs_glibc
def test_what_is_free_goes_back_at_the_end_even_after_an_error() -> None:
    with kept_heap():
        pass  # what earlier tests left is given back
    before = resident_mb()

    def fail() -> None:
        torch.ones(3 * BLOCK_MB * 2**18)
        assert resident_mb() > before + 2 * BLOCK_MB  # freed, and kept
        raise ValueError("on the way")

    with pytest.raises(ValueError, match="on the way"), kept_heap():
        fail()
    assert resident_mb() < before + BLOCK_MB


@needs_glibc
@pytest.mark.parametrize(("heap_name", "stays"), [("kept_heap", True), ("tight_heap", False)])
def test_where_memory_is_short_nothing_freed_stays(heap_name: str, stays: bool, repo: Path) -> None:
    """In a fresh process: what a heap has grown to before is used again, and not given back on the way."""
    code = (
        "import torch\nfrom fetalt2prep.interfaces import heap\n"
        "from fetalt2prep.interfaces.account import resident_mb\n"
        f"with heap.{heap_name}() as arranged:\n"
        "    before = resident_mb(); blocks = [torch.ones(2**19) for _ in range(60)]; full = resident_mb()\n"
        "    del blocks; print(arranged, full - before > 100, resident_mb() - before > 100)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=repo, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True", "True", str(stays)]


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))  # what musl and macOS say
    assert glibc() is None
    with kept_heap() as kept:
        assert kept is False


@needs_glibc
def test_a_c_library_that_refuses_large_blocks_gets_the_most_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """glibc before 2.35 returns 0 above 32 MiB."""
    asked: list[tuple[int, int]] = []
    real = glibc()
    assert real is not None

    class Old:
        def mallopt(self, name: int, value: int) -> int:
            asked.append((name, value))
            return 0 if name == heap.MMAP_THRESHOLD and value > 2**25 else int(real.mallopt(name, value))

        def malloc_trim(self, pad: int) -> int:
            return int(real.malloc_trim(pad))

    monkeypatch.setattr(heap, "glibc", Old)
    with kept_heap() as kept:
        assert kept
    assert asked[:2] == [(heap.MMAP_THRESHOLD, heap.LARGE), (heap.MMAP_THRESHOLD, heap.LARGEST_OF_OLD)]
