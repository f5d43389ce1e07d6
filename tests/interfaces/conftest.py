"""A session of small stacks: an ellipsoid with T2 = 200 ms in three orientations at three echo times."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

T2_S = 0.2
S0 = 1000.0
RADII_MM = np.array([14.0, 17.0, 12.0])
PLANES = {"ax": (0, 1, 2), "cor": (0, 2, 1), "sag": (1, 2, 0)}


@dataclass(frozen=True, kw_only=True)
class SessionFiles:
    """What :class:`CheckStacks` wants."""

    stacks: list[str]
    masks: list[str]
    echo_times_s: list[float]
    thicknesses_mm: list[float]
    slice_times_s: list[list[float]]


def ellipsoid(points_mm: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Whether world points (*, 3) lie inside."""
    return np.linalg.norm(points_mm / (scale * RADII_MM), axis=-1) <= 1


def write_session(folder: Path, te_s: tuple[float, ...] = (0.1, 0.2, 0.3)) -> SessionFiles:
    """One stack per plane and echo time, 2 x 2 x 4 mm, with masks."""
    rng = np.random.default_rng(0)
    files = SessionFiles(stacks=[], masks=[], echo_times_s=[], thicknesses_mm=[], slice_times_s=[])
    for te in te_s:
        for plane, axes in PLANES.items():
            affine, shape = np.zeros((4, 4)), (24, 24, 12)
            for axis, (world, size) in enumerate(zip(axes, (2.0, 2.0, 4.0), strict=True)):
                affine[world, axis] = size
            affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
            affine[3, 3] = 1
            points = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
            signal = S0 * np.exp(-te / T2_S) * np.where(ellipsoid(points, 0.5), 1.3, 1.0)
            pixels = np.where(ellipsoid(points), signal, 0) + rng.normal(0, 5, shape)
            name = f"acq-{plane}_te{round(1000 * te)}"
            for array, ending, dtype in ((np.abs(pixels), "T2w", "f4"), (ellipsoid(points), "mask", "u1")):
                nib.save(nib.Nifti1Image(array.astype(dtype), affine), folder / f"{name}_{ending}.nii.gz")
            files.stacks.append(str(folder / f"{name}_T2w.nii.gz"))
            files.masks.append(str(folder / f"{name}_mask.nii.gz"))
            files.echo_times_s.append(te)
            files.thicknesses_mm.append(4.0)
            files.slice_times_s.append([])
    return files


@pytest.fixture
def session_files(tmp_path: Path) -> SessionFiles:
    folder = tmp_path / "raw"
    folder.mkdir()
    return write_session(folder)


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interfaces write into the folder in which they run."""
    folder = tmp_path / "run"
    folder.mkdir()
    monkeypatch.chdir(folder)
