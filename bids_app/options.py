"""What the user chose, as frozen dataclasses, and the TOML file in which each run records it."""

from __future__ import annotations

import dataclasses
import platform
import tomllib
from dataclasses import dataclass, field, fields
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import tomli_w

from fetalt2prep import __version__
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.core.t2.options import T2Options

PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "scikit-image",
    "nibabel",
    "nipype",
    "pybids",
    "niworkflows",
    "nireports",
)
_T = TypeVar("_T")


class OptionError(ValueError):
    """Options that contradict each other, the data set or the machine; the message is for the user."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How the work is carried out; none of these changes a result."""

    work_dir: Path
    """Intermediate results; a run that finds them there resumes."""
    nprocs: int = 1
    """CPU cores for the whole run."""
    omp_nthreads: int = 1
    """CPU threads of one step."""
    mem_mb: int | None = None
    """Memory for the whole run, MB; None: 90 % of the machine's."""
    stop_on_first_crash: bool = False
    """Stop when the first participant fails."""
    reports_only: bool = False
    """Only write the reports again."""
    verbose: int = 0
    """0: one line per stage; 1: more; 2: Nipype's messages too."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """All choices of one run."""

    bids_dir: Path
    """Raw BIDS data set."""
    output_dir: Path
    """Derivatives data set to write."""
    participants: tuple[str, ...] = ()
    """Labels without ``sub-``; empty: all."""
    sessions: tuple[str, ...] = ()
    """Labels without ``ses-``; empty: all."""
    masks: Path | None = None
    """Derivatives data set with a ``desc-brain_mask`` per stack; None: masks are estimated."""
    denoise: str = "nlm"
    """``nlm`` or ``none``."""
    recon: ReconOptions = field(default_factory=ReconOptions)
    """The joint reconstruction."""
    t2: T2Options = field(default_factory=T2Options)
    """The T2 fit."""
    segmentation: Path | None = None
    """Derivatives data set with a ``_dseg`` per session, in the space of the reconstruction."""
    sample_mm: tuple[float, ...] = ()
    """Further spacings, mm, at which the fitted field is sampled."""
    save_field: bool = False
    """Store the fitted field, to be sampled later."""
    run: RunOptions
    """How the work is carried out."""


def write_toml(options: Options, path: Path, *, run_uuid: str, command_line: str) -> None:
    """Record a run: the options, and under ``[about]`` versions, command line and identifier."""
    about = {
        "uuid": run_uuid,
        "command_line": command_line,
        "fetalt2prep": __version__,
        "python": platform.python_version(),
        "packages": package_versions(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(tomli_w.dumps({**_table(options), "about": about}))


def read_toml(path: Path) -> Options:
    """Options from a file of :func:`write_toml`, less ``[about]``; an unknown key is an error."""
    table = tomllib.loads(path.read_text())
    table.pop("about", None)
    recon = _build(ReconOptions, table.pop("recon", {}), path.name)
    t2 = _build(T2Options, table.pop("t2", {}), path.name)
    run = _build(RunOptions, table.pop("run", {}), path.name)
    return _build(Options, {**table, "recon": recon, "t2": t2, "run": run}, path.name)


def package_versions() -> dict[str, str]:
    """Installed versions of the packages on which results depend."""
    return {name: metadata.version(name) for name in PACKAGES}


def _table(options: Any) -> dict[str, Any]:
    """Nested plain values for TOML, which knows neither None (left out) nor paths (text)."""
    table: dict[str, Any] = {}
    for item in fields(options):
        value = getattr(options, item.name)
        if dataclasses.is_dataclass(value):
            table[item.name] = _table(value)
        elif isinstance(value, Path):
            table[item.name] = str(value)
        elif value is not None:
            table[item.name] = value
    return table


def _build(kind: type[_T], table: dict[str, Any], file: str) -> _T:
    known = {item.name: str(item.type) for item in fields(kind)}  # type: ignore[arg-type]
    if unknown := set(table) - set(known):
        raise OptionError(f"{file}: unknown key {', '.join(sorted(unknown))}; known are {', '.join(known)}.")
    values = {name: Path(v) if "Path" in known[name] else v for name, v in table.items()}
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    return kind(**values)
