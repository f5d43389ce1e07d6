"""Files that are there whole or not at all, also when jobs that share an output folder write them at the same time."""

from __future__ import annotations

import uuid
from pathlib import Path


def put(content: bytes | str, target: Path) -> None:
    """Write a file in one step: who reads it meanwhile finds the old content or the new, never a part."""
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}")  # a process number may be that of another machine's
    part.write_bytes(content.encode() if isinstance(content, str) else content)
    part.replace(target)
