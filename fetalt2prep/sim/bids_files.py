"""Images, tables and sidecars as BIDS wants them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray


def sidecar(image: Path) -> Path:
    """The JSON file beside a NIfTI or TSV file."""
    return image.with_name(image.name.removesuffix(".nii.gz").removesuffix(".tsv") + ".json")


def write_nifti(path: Path, volume: NDArray[np.generic], affine: NDArray[np.float64]) -> None:
    """Write a volume in scanner space (qform and sform code 1), making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(volume, affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)


def write_tsv(path: Path, columns: Mapping[str, Sequence[object] | NDArray[np.generic]]) -> None:
    """Write columns of equal length; floating-point numbers with six decimals."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow([f"{value:.6f}" if isinstance(value, float) else value for value in row])


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write a JSON file, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
