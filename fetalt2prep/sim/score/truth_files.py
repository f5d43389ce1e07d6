"""Where a truth lies, and its reading: written by :mod:`fetalt2prep.sim.bids_writer`, or a plain folder."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from fetalt2prep.itk.volume import Doubles, Volume
from fetalt2prep.sim.score.volume import read_volume
from fetalt2prep.sim.slice_table import TRANSFORM_COLUMNS
from fetalt2prep.sim.truth import Truth

ECHO_PATTERN = "*_echo-*_desc-truth_T2w.nii.gz"


def find_truth(folder: Path) -> Path:
    """The folder that holds one session's truth: ``folder`` itself, or the only one below it."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: there is no such folder; name a truth, e.g. OUT/derivatives/truth/sub-sim01.")
    if (folder / "echoes.nii.gz").exists():
        return folder
    found = sorted({path.parent for path in folder.rglob(ECHO_PATTERN)})
    if not found:
        raise ValueError(
            f"{folder}: holds no truth (*_desc-truth_T2w.nii.gz, or echoes.nii.gz); name what `fetalt2 simulate` "
            "wrote, or one session's anat folder in derivatives/truth."
        )
    if len(found) > 1:
        names = ", ".join(str(path.relative_to(folder)) for path in found)
        raise ValueError(f"{folder}: holds the truth of {len(found)} sessions ({names}); name one of them.")
    return found[0]


def read_truth(folder: Path) -> Truth:
    """Read the truth of one session.

    Either an ``anat`` folder of ``derivatives/truth`` (``*_desc-truth_*`` files), or a folder with
    echoes.nii.gz (4-D), T2map, M0map, labels, mask and a case.json that holds ``te`` in milliseconds.
    """
    if (folder / "echoes.nii.gz").exists():
        echoes, te_s = _plain_echoes(folder)
        names = {name: folder / f"{name}.nii.gz" for name in ("T2map", "M0map", "labels", "mask")}
    else:
        paths = sorted(folder.glob(ECHO_PATTERN))
        if not paths:
            raise ValueError(f"{folder}: holds no truth; name one session's anat folder in derivatives/truth.")
        times = np.asarray([echo_time_s(path) for path in paths])
        order = np.argsort(times)
        te_s, echoes = times[order], [read_volume(paths[k]) for k in order]
        prefix = folder / paths[0].name.split("_echo-")[0]
        endings = {
            "T2map": "truth_T2map",
            "M0map": "truth_S0map",
            "labels": "truth_dseg",
            "mask": "brain_mask",
        }
        names = {name: Path(f"{prefix}_desc-{ending}.nii.gz") for name, ending in endings.items()}
    return Truth(
        affine=echoes[0].affine,
        te_s=te_s,
        echoes=np.stack([echo.values for echo in echoes]),
        t2_s=read_volume(names["T2map"]).values if names["T2map"].exists() else None,
        m0=read_volume(names["M0map"]).values,
        labels=read_volume(names["labels"]).values.astype(np.uint8),
        mask=read_volume(names["mask"]).values > 0,
    )


def echo_time_s(image: Path) -> float:
    """EchoTime in the JSON file beside a NIfTI file, seconds."""
    path = image.with_name(image.name.removesuffix(".nii.gz") + ".json")
    try:
        return float(json.loads(path.read_text("utf-8"))["EchoTime"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: gives no EchoTime in seconds for {image.name} ({error!r}).") from error


def read_transforms(table: Path) -> dict[tuple[str, int], Doubles]:
    """3x4 matrices m00..m23 of a slice table as (4, 4), by name of the stack and index of the slice."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    missing = [name for name in ("stack", "slice", *TRANSFORM_COLUMNS) if rows and name not in rows[0]]
    if missing:
        raise ValueError(f"{table}: the columns {', '.join(missing)} are missing; is it a slice table?")
    out = {}
    for row in rows:
        matrix = np.eye(4)
        matrix[:3] = np.asarray([float(row[name]) for name in TRANSFORM_COLUMNS]).reshape(3, 4)
        out[(stack_name(row["stack"]), int(row["slice"]))] = matrix
    return out


def stack_name(name: str) -> str:
    """Entities of a stack: without suffix and ending, so that tables of both sides agree."""
    return name.split(".")[0].removesuffix("_T2w").removesuffix("_MESE")


def truth_slice_table(folder: Path) -> Path | None:
    """The table of slices beside a truth, when there is one."""
    found = [folder / "slice_transforms.tsv", *sorted(folder.glob("*_desc-truth_slices.tsv"))]
    return next((path for path in found if path.exists()), None)


def _plain_echoes(folder: Path) -> tuple[list[Volume], Doubles]:
    volume = read_volume(folder / "echoes.nii.gz")
    values = volume.values if volume.values.ndim == 4 else volume.values[..., None]
    path = folder / "case.json"
    try:
        te_s = np.asarray(json.loads(path.read_text("utf-8"))["te"], float) / 1000.0
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: gives no list of echo times `te` in milliseconds ({error!r}).") from error
    if te_s.shape != values.shape[3:]:
        raise ValueError(f"{path}: lists {te_s.size} echo times, but echoes.nii.gz has {values.shape[3]} volumes.")
    return [Volume(values[..., k], volume.affine) for k in range(values.shape[3])], te_s
