"""The metadata of a file under the BIDS inheritance principle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fetalt2prep.io.sidecar import InputError


def inherited_metadata(image: Path, root: Path) -> dict[str, Any]:
    """All JSON sidecars that apply to ``image``, merged; the one nearest to the image wins.

    A sidecar applies when it lies in the folder of the image or in one above it up to ``root``, has the same
    suffix, and every entity in its name is in the name of the image.

    Raises
    ------
    InputError
        A sidecar that applies is not readable JSON, or not a JSON object.
    """
    entities, suffix = _split(image)
    folders = [image.parent, *image.parent.parents]
    metadata: dict[str, Any] = {}
    for folder in reversed(folders[: folders.index(root) + 1]):
        candidates = ((path, *_split(path)) for path in folder.glob("*.json"))
        applying = [(path, e) for path, e, s in candidates if s == suffix and e <= entities]
        for path, _ in sorted(applying, key=lambda item: (len(item[1]), item[0].name)):
            metadata.update(_read(path))
    return metadata


def _split(path: Path) -> tuple[set[str], str]:
    """``sub-01_echo-2_T2w.nii.gz`` -> ``({"sub-01", "echo-2"}, "T2w")``."""
    *entities, suffix = path.name.partition(".")[0].split("_")
    return set(entities), suffix


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path.name}: not readable as JSON ({error}). Correct the file or convert it again."
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"{path.name}: holds a {type(content).__name__}; a BIDS sidecar is a JSON object.")
    return content
