"""The metadata of a file under the BIDS inheritance principle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fetalt2prep.io.sidecar import read_json


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
            metadata.update(read_json(path))
    return metadata


def _split(path: Path) -> tuple[set[str], str]:
    """``sub-01_echo-2_T2w.nii.gz`` -> ``({"sub-01", "echo-2"}, "T2w")``."""
    *entities, suffix = path.name.partition(".")[0].split("_")
    return set(entities), suffix
