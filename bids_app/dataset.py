"""The files at the root of the derivatives data set."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bids_app.options import Options
from bids_app.whole_file import put
from fetalt2prep import __version__

# A folder is ignored under its bare name only: the validator does not take "figures/" or "sub-*/figures".
BIDSIGNORE = ("*.html", "figures", "log", "*_xfm.*", "*_stats.*", "*_field.safetensors", "group_*")
README = """fetalt2prep derivatives
=======================

T2 maps (seconds) of the fetal brain, reconstructed from stacks of 2D slices at several echo times.
Open sub-<label>.html for the report of a participant; logs/CITATION.md says how it was done and what to cite.
For research only, not for diagnosis.
"""


def write_dataset(options: Options) -> None:
    """Write dataset_description.json, .bidsignore and README; a README that is there is kept."""
    out = options.output_dir
    put(json.dumps(description(options), indent=2) + "\n", out / "dataset_description.json")
    put("\n".join(BIDSIGNORE) + "\n", out / ".bidsignore")
    if not (out / "README").exists():
        put(README, out / "README")


def description(options: Options) -> dict[str, Any]:
    """Content of dataset_description.json; links are relative, so that the tree can be moved."""
    given = {"masks": options.masks, "recon": options.reconstructions, "segmentation": options.segmentation}
    links = {"raw": options.bids_dir, **{name: path for name, path in given.items() if path is not None}}
    generated: dict[str, Any] = {"Name": "fetalt2prep", "Version": __version__}
    if container := container_of_environment():
        generated["Container"] = container
    return {
        "Name": "fetalt2prep: T2 maps of the fetal brain",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [generated],
        "DatasetLinks": {name: relative_uri(path, options.output_dir) for name, path in links.items()},
        "HowToAcknowledge": "See logs/CITATION.md.",
    }


def relative_uri(target: Path, start: Path) -> str:
    """Relative URI of a folder as seen from another."""
    return quote(os.path.relpath(target.resolve(), start.resolve()).replace(os.sep, "/")) + "/"


def container_of_environment() -> dict[str, str]:
    """The container that the image announces in its environment, in BIDS terms; empty outside one.

    Singularity comes first: what it makes of a Docker image still holds that image's variables.
    """
    if uri := os.environ.get("FETALT2PREP_SINGULARITY_URL"):
        return {"Type": "singularity", "URI": uri}
    if tag := os.environ.get("FETALT2PREP_DOCKER_TAG"):
        return {"Type": "docker", "Tag": tag}
    return {}


def older_version(output_dir: Path) -> str | None:
    """Version of fetalt2prep that wrote what ``output_dir`` holds, when it is another than this one."""
    try:
        generated = json.loads((output_dir / "dataset_description.json").read_text())["GeneratedBy"][0]
        version = str(generated["Version"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return version if version != __version__ else None
