"""Limits of cores and memory, from the files and variables in which systems say them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bids_app.limits import default_mem_mb, default_nprocs

N_CPUS = len(os.sched_getaffinity(0))
GIB = 2**30


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in {"proc/meminfo": f"MemTotal: {64 * GIB // 1024} kB\nMemFree: 1 kB\n", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def mb(n_gib: float) -> int:
    return int(0.9 * n_gib * GIB / 1e6)


@pytest.mark.parametrize(
    ("files", "environ", "n_gib"),
    [
        ({}, {}, 64),
        ({"sys/fs/cgroup/memory.max": "max"}, {}, 64),
        ({"sys/fs/cgroup/memory.max": str(4 * GIB)}, {}, 4),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": str(2 * GIB)}, {}, 2),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712"}, {}, 64),
        ({"proc/self/cgroup": "0::/slurm/job_7", "sys/fs/cgroup/slurm/memory.max": str(3 * GIB)}, {}, 3),
        (
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/x\n6:memory:/slurm/job_7",
                "sys/fs/cgroup/memory/slurm/job_7/memory.limit_in_bytes": str(5 * GIB),
            },
            {},
            5,
        ),
        ({}, {"SLURM_MEM_PER_NODE": "12288"}, 12),
        ({"sys/fs/cgroup/memory.max": str(4 * GIB)}, {"SLURM_MEM_PER_NODE": "12288"}, 4),
        ({}, {"SLURM_MEM_PER_CPU": "2048", "SLURM_CPUS_PER_TASK": "1"}, 2),
        ({}, {"SLURM_MEM_PER_NODE": "0"}, 64),  # SLURM's word for all of the node
    ],
)
def test_the_tightest_limit_of_memory_counts(
    files: dict[str, str], environ: dict[str, str], n_gib: int, tmp_path: Path
) -> None:
    assert default_mem_mb(environ, machine(tmp_path, files)) == mb(n_gib)


@pytest.mark.parametrize(
    ("files", "environ", "n_cores"),
    [
        ({}, {}, N_CPUS),
        ({"sys/fs/cgroup/cpu.max": "max 100000"}, {}, N_CPUS),
        ({"sys/fs/cgroup/cpu.max": "100000 100000"}, {}, 1),
        ({"sys/fs/cgroup/cpu.max": "50000 100000"}, {}, 1),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, {}, 1),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, {}, N_CPUS),
        ({}, {"SLURM_CPUS_PER_TASK": "1"}, 1),
        ({}, {"SLURM_CPUS_PER_TASK": str(N_CPUS + 7)}, N_CPUS),
        ({}, {"NSLOTS": "1"}, 1),
    ],
)
def test_the_tightest_limit_of_cores_counts(
    files: dict[str, str], environ: dict[str, str], n_cores: int, tmp_path: Path
) -> None:
    assert default_nprocs(environ, machine(tmp_path, files)) == n_cores


def test_this_machine_has_some() -> None:
    assert 1 <= default_nprocs() <= N_CPUS
    assert 100 < default_mem_mb() < 10**8
