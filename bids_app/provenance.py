"""Records in a participant's log folder: checksums of what went in, time and memory of each step."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bids_app.derivatives import mask_uri, raw_uri, recon_uri
from bids_app.options import Options
from bids_app.session import SessionGuide, SessionInputs
from fetalt2prep.io.tables import write_tsv

INPUTS = "inputs.tsv"
STAGES = "stages.tsv"
Row = Mapping[str, object]


def write_input_hashes(sessions: Sequence[SessionInputs], log_dirs: Mapping[str, Path], options: Options) -> None:
    """Write ``inputs.tsv`` for each participant: every file that enters, its size and SHA-256."""
    for subject, log_dir in log_dirs.items():
        files = {uri: path for s in sessions if s.subject == subject for uri, path in _files(s, options)}
        rows = [(uri, path.stat().st_size, sha256(path)) for uri, path in sorted(files.items())]
        if rows:
            log_dir.mkdir(parents=True, exist_ok=True)
            columns = dict(zip(("file", "bytes", "sha256"), zip(*rows, strict=True), strict=True))
            write_tsv(columns, log_dir / INPUTS)


def write_stages(rows: Sequence[Row], sessions: Sequence[SessionInputs], log_dirs: Mapping[str, Path]) -> None:
    """Write ``stages.tsv`` for each participant: seconds of each step, and peak memory of its process until then."""
    for subject, log_dir in log_dirs.items():
        labels = {session.label for session in sessions if session.subject == subject}
        own = [row for row in rows if row["session"] in labels]
        if own:
            log_dir.mkdir(parents=True, exist_ok=True)
            write_tsv({name: [row[name] for row in own] for name in own[0]}, log_dir / STAGES)


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _files(session: SessionInputs, options: Options) -> Iterator[tuple[str, Path]]:
    guide = session.guide or SessionGuide()
    for stack in (*session.stacks, *guide.stacks):
        yield raw_uri(stack, options), stack.image
        sidecar = stack.image.with_name(stack.image.name.partition(".")[0] + ".json")
        if sidecar.is_file():
            yield raw_uri(stack, options).partition(".nii")[0] + ".json", sidecar
        if stack.mask:
            yield mask_uri(stack, options), stack.mask
    for image in guide.images:
        yield image.image.name, image.image  # from anywhere: no data set to name it by
    for path in [*(echo.image for echo in session.echoes), *filter(None, [session.recon_mask])]:
        yield recon_uri(path, options), path
