"""What a run stored for a session: whether all of it, and whether older files are left beside it."""

from __future__ import annotations

from pathlib import Path

from bids_app.derivatives import session_source
from bids_app.session import SessionInputs

CLOCK_SLACK_S = 1.0
"""A file system may stamp files a little earlier than the clock says."""


def files_of_reconstruction(session: SessionInputs, output_dir: Path, ending: str = "*") -> list[Path]:
    """Derivatives of a session that were made from all of its stacks; ``ending`` is what follows ``_rec-inr_``."""
    source = Path(session_source(session).lstrip("/"))
    prefix = source.name.rpartition("_")[0]
    return sorted((output_dir / source.parent).glob(f"{prefix}_rec-inr_{ending}"))


def not_stored(session: SessionInputs, output_dir: Path, started: float) -> list[str]:
    """What a run that began at ``started`` (s since the epoch) had to store for a session and did not."""
    wanted = {"reconstruction": "desc-recon_stats.json"}
    if len(session.echo_times_s) > 1:
        wanted["T2 map"] = "T2map.nii.gz"
    return [
        what
        for what, ending in wanted.items()
        if not any(is_new(path, started) for path in files_of_reconstruction(session, output_dir, ending))
    ]


def remove_left_over(session: SessionInputs, output_dir: Path, started: float) -> list[Path]:
    """Remove what an earlier run made from its reconstruction, once this run stored another; returns what it was.

    A run writes all its files, also when it resumes. Any other has no part in the new reconstruction: an echo time
    that is no longer there, or a T2 map that could not be made again.
    """
    if "reconstruction" in not_stored(session, output_dir, started):
        return []
    old = [path for path in files_of_reconstruction(session, output_dir) if not is_new(path, started)]
    for path in old:
        path.unlink()
    return old


def is_new(path: Path, started: float) -> bool:
    """Whether a file was written since ``started``, s since the epoch."""
    return path.stat().st_mtime >= started - CLOCK_SLACK_S
