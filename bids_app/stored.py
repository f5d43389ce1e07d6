"""What a run stored for a session: whether all of it, and whether older files are left beside it."""

from __future__ import annotations

from pathlib import Path

from bids_app.derivatives import session_source
from bids_app.options import Options
from bids_app.session import SessionInputs

CLOCK_SLACK_S = 1.0
"""A file system may stamp files a little earlier than the clock says."""


def files_of_reconstruction(session: SessionInputs, output_dir: Path, ending: str = "*") -> list[Path]:
    """Derivatives of a session that were made from all of its stacks; ``ending`` is what follows ``_rec-<label>_``."""
    source = Path(session_source(session).lstrip("/"))
    prefix = source.name.rpartition("_")[0]
    return sorted((output_dir / source.parent).glob(f"{prefix}_rec-{session.rec}_{ending}"))


def to_be_stored(session: SessionInputs, options: Options) -> dict[str, str]:
    """What a run has to store for a session, and how the name of its file ends."""
    if options.steps == "masks":
        return {"brain masks": "desc-stacks_stats.tsv"}
    wanted = {"reconstruction": "desc-recon_stats.json"}
    if fits_t2(session, options):
        wanted |= {"T2 map": "T2map.nii.gz"} | ({"guided T2 map": "desc-guided_T2map.nii.gz"} if session.guide else {})
    return wanted


def fits_t2(session: SessionInputs, options: Options) -> bool:
    """Whether T2 is asked for and there are echo times for it."""
    return options.steps == "all" and len(session.echo_times_s) > 1


def not_stored(session: SessionInputs, options: Options, started: float) -> list[str]:
    """What a run that began at ``started`` (s since the epoch) had to store for a session and did not."""
    return [
        what
        for what, ending in to_be_stored(session, options).items()
        if not any(is_new(path, started) for path in files_of_reconstruction(session, options.output_dir, ending))
    ]


def remove_left_over(session: SessionInputs, options: Options, started: float) -> list[Path]:
    """Remove what an earlier run made from its reconstruction, once this run stored another; returns what it was.

    A run writes all its files, also when it resumes. Any other has no part in the new reconstruction: an echo time
    that is no longer there, or a T2 map that could not be made again.
    """
    if options.steps == "masks" or "reconstruction" in not_stored(session, options, started):
        return []
    old = [path for path in files_of_reconstruction(session, options.output_dir) if not is_new(path, started)]
    for path in old:
        path.unlink()
    return old


def is_new(path: Path, started: float) -> bool:
    """Whether a file was written since ``started``, s since the epoch."""
    return path.stat().st_mtime >= started - CLOCK_SLACK_S
