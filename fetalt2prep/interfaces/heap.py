"""What becomes of freed memory while a reconstruction runs: kept where there is enough, given back where there is not.

Every step makes and frees tensors of tens of megabytes. glibc gives blocks of that size back to the system at once, and
the next step has every page of them zeroed and mapped again: about a fifth of the time of a reconstruction was spent in
the kernel. Other C libraries are left as they are.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of <malloc.h>
LARGE = 2**27  # blocks below this size come from the heap
LARGEST_OF_OLD = 2**25  # what glibc before 2.35 takes at most; also where its own adjustment ends
SMALL = 2**20
NEVER = 2**31 - 1  # the heap's end is given back only when this much of it is free


@contextmanager
def kept_heap() -> Iterator[bool]:
    """Within it, freed blocks stay in the process; at the end what is free goes back to the system.

    Yields whether that could be arranged: False where the C library is not glibc. No number changes. Thresholds are of
    the process and not of a thread; they are left where glibc's own adjustment ends, as it cannot be taken up again.
    """
    with _thresholds([LARGE, LARGEST_OF_OLD], NEVER) as kept:
        yield kept


@contextmanager
def tight_heap() -> Iterator[bool]:
    """Within it, every block of a megabyte and more goes back to the system when it is freed; as :func:`kept_heap`.

    A heap has holes: a block that is freed rarely fits the next one to the byte. Where memory is short, the time is
    better spent in the kernel.
    """
    with _thresholds([SMALL], SMALL) as tight:
        yield tight


@contextmanager
def _thresholds(mmap_bytes: list[int], trim_bytes: int) -> Iterator[bool]:
    """The first threshold that is taken, and the other."""
    libc = glibc()
    if libc is None:
        yield False
        return
    taken = any(libc.mallopt(MMAP_THRESHOLD, size) for size in mmap_bytes) and libc.mallopt(TRIM_THRESHOLD, trim_bytes)
    try:
        yield bool(taken)
    finally:
        libc.mallopt(MMAP_THRESHOLD, LARGEST_OF_OLD)
        libc.mallopt(TRIM_THRESHOLD, 2 * LARGEST_OF_OLD)
        libc.malloc_trim(0)


def glibc() -> ctypes.CDLL | None:
    """The process's C library when it is glibc, else None."""
    if platform.libc_ver()[0] != "glibc":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
