"""Entities in BIDS names, read from a path and put into a name."""

from __future__ import annotations

from pathlib import Path

LONG_NAMES = {
    "sub": "subject", "ses": "session", "sample": "sample", "task": "task", "acq": "acquisition", "ce": "ceagent",
    "trc": "tracer", "rec": "reconstruction", "dir": "direction", "run": "run", "mod": "modality", "echo": "echo",
    "flip": "flip", "inv": "inv", "mt": "mt", "part": "part", "proc": "proc", "hemi": "hemi", "space": "space",
    "split": "split", "recording": "recording", "chunk": "chunk", "seg": "segmentation", "res": "resolution",
    "den": "density", "label": "label", "desc": "desc",
}  # fmt: skip
"""Entities in the order in which BIDS wants them in a name, with the names that pybids uses."""
ORDER = tuple(LONG_NAMES)


def stem(path: Path) -> str:
    """File name without any extension."""
    return path.name.partition(".")[0]


def read_entities(path: Path, root: Path) -> dict[str, str]:
    """Entities of a file by their long names, from its name and, for subject and session, its folders too.

    ``suffix`` is the part of the name without a dash at its end, when there is one.
    """
    folders = [part for part in path.relative_to(root).parts[:-1] if part.startswith(("sub-", "ses-"))]
    found: dict[str, str] = {}
    for part in [*folders, *stem(path).split("_")]:
        key, dash, value = part.partition("-")
        if dash and key in LONG_NAMES:
            found[LONG_NAMES[key]] = value
    last = stem(path).rpartition("_")[2]
    return found if "-" in last else found | {"suffix": last}


def with_echo(name: str, number: int) -> str:
    """``sub-01_acq-ax_part-mag_MESE`` -> ``sub-01_acq-ax_echo-2_part-mag_MESE``; a name without ``echo-``."""
    *entities, suffix = name.split("_")
    after = ORDER[ORDER.index("echo") + 1 :]
    place = next((n for n, text in enumerate(entities) if text.partition("-")[0] in after), len(entities))
    return "_".join([*entities[:place], f"echo-{number}", *entities[place:], suffix])
