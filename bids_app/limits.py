"""How many cores and how much memory this process may use: of the machine, its container, and its batch job."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

SHARE_OF_MEMORY = 0.9
"""Of what there is; the rest is for the main process and the system."""
UNITS_MB = {"": 1.0, "K": 1e-3, "M": 1.0, "G": 1e3, "T": 1e6}
UNLIMITED = 2**60
"""The first version of control groups says that there is no limit with a number above this."""


def default_nprocs(environ: Mapping[str, str] = os.environ, root: Path = Path("/")) -> int:
    """Cores that may be used: the least of the scheduler's affinity, the container's quota, and the batch job's."""
    found = [len(os.sched_getaffinity(0)), *_cgroup_cores(root)]
    jobs = [
        environ.get(name, "")
        for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE", "PBS_NCPUS", "NSLOTS", "LSB_DJOB_NUMPROC")
    ]
    found += [int(value) for value in jobs if value.isdecimal()]
    return max(1, min(found))


def default_mem_mb(environ: Mapping[str, str] = os.environ, root: Path = Path("/")) -> int:
    """90 % of the memory that may be used, MB: the least of the machine's, the container's and the batch job's."""
    found = [*_machine_bytes(root), *_cgroup_bytes(root)]
    if (value := environ.get("SLURM_MEM_PER_NODE", "")).isdecimal() and int(value):
        found.append(int(value) * 2**20)
    elif (value := environ.get("SLURM_MEM_PER_CPU", "")).isdecimal() and int(value):
        found.append(int(value) * 2**20 * default_nprocs(environ, root))
    return max(1, int(SHARE_OF_MEMORY * min(found) / 1e6))


def megabytes(text: str) -> int:
    """``8G``, ``8000`` or ``8000MB`` -> 8000.

    Raises
    ------
    ValueError
        Not a positive number with one of the units K, M, G, T or none, which means M.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)B?", text.strip().upper())
    size = int(float(found[1]) * UNITS_MB[found[2]]) if found else 0
    if size < 1:
        raise ValueError(f"{text!r} is not an amount of memory of at least 1 MB: give e.g. 8000 (MB), 8G or 500M.")
    return size


def _machine_bytes(root: Path) -> Iterator[int]:
    for line in _lines(root / "proc" / "meminfo"):
        if line.startswith("MemTotal:"):
            yield 1024 * int(line.split()[1])


def _cgroup_bytes(root: Path) -> Iterator[int]:
    for folder in _cgroup_folders(root):
        for name in ("memory.max", "memory.limit_in_bytes"):
            for line in _lines(folder / name):
                if line.isdecimal() and int(line) < UNLIMITED:
                    yield int(line)


def _cgroup_cores(root: Path) -> Iterator[int]:
    for folder in _cgroup_folders(root):
        for line in _lines(folder / "cpu.max"):  # "200000 100000", or "max 100000"
            quota, _, period = line.partition(" ")
            if quota.isdecimal() and period.isdecimal():
                yield max(1, int(quota) // int(period))
        for quota, period in zip(
            _lines(folder / "cpu.cfs_quota_us"), _lines(folder / "cpu.cfs_period_us"), strict=False
        ):
            if quota.isdecimal() and period.isdecimal():
                yield max(1, int(quota) // int(period))


def _cgroup_folders(root: Path) -> list[Path]:
    """Folders of this process's control groups and of those above them, for both versions of control groups."""
    base = root / "sys" / "fs" / "cgroup"
    folders = [base, base / "memory", base / "cpu"]
    for line in _lines(root / "proc" / "self" / "cgroup"):  # "0::/user.slice/job", or "5:memory:/slurm/job"
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        parts = [part for part in path.split("/") if part and part != ".."]
        for top in [base / name for name in controllers.split(",")] if controllers else [base]:
            folders += [top.joinpath(*parts[:n]) for n in range(1, len(parts) + 1)]
    return folders


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
