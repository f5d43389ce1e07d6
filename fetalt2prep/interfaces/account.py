"""What a step cost and with which versions it ran."""

from __future__ import annotations

import platform
import resource
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("fetalt2prep", "nibabel", "nipype", "numpy", "scikit-image", "scipy", "torch")


class Meter:
    """Seconds since it was made, and the process's peak memory."""

    def __init__(self) -> None:
        self._wall = time.perf_counter()
        self._cpu = time.process_time()

    def read(self) -> dict[str, float]:
        """Wall and CPU (user + system, all threads) seconds; peak memory of the process so far, GB."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        unit = 1.0 if platform.system() == "Darwin" else 1024.0  # bytes there, kibibytes on Linux
        return {
            "wall_seconds": round(time.perf_counter() - self._wall, 3),
            "cpu_seconds": round(time.process_time() - self._cpu, 3),
            "peak_memory_gb": round(peak * unit / 1e9, 3),
        }


def resident_mb() -> float:
    """Memory that the process holds now, MB; where the system does not say, the most it ever held."""
    status = Path("/proc/self/statm")
    if status.is_file():
        return int(status.read_text().split()[1]) * resource.getpagesize() / 1e6
    return 1000.0 * Meter().read()["peak_memory_gb"]


def software_versions() -> dict[str, str]:
    """Versions of Python and of the packages on which results depend; those not installed are left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # e.g. the library imported from a checkout that is not installed
            continue
    return found
