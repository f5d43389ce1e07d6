"""Small BIDS data sets, written where a test wants them, and the command on them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from bids_app.main import run

SHAPE = (16, 16, 8)
VOXEL_MM = (2.0, 2.0, 4.0)
WriteStack = Callable[..., Path]
COARSE = [
    "--device",
    "cpu",
    "--nprocs",
    "1",
    "--omp-nthreads",
    "1",
    "--recon-resolution",
    "3",
    "--denoise",
    "none",
    "--bias",
    "none",
    "--skip-bids-validation",
]


def write_image(path: Path, values: np.ndarray[Any, Any], at_mm: float = 0.0) -> Path:
    """Axial slices with their centre ``at_mm`` along x."""
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([*VOXEL_MM, 1.0])
    affine[:3, 3] = -0.5 * np.array(VOXEL_MM) * (np.array(SHAPE) - 1)
    affine[0, 3] += at_mm
    image = nib.Nifti1Image(values, affine)
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    nib.save(image, path)
    return path


def world_mm() -> np.ndarray[Any, Any]:
    """Position of each voxel from the centre of a stack, (x, y, slice, 3)."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in SHAPE], indexing="ij"), axis=-1)
    return (index - (np.array(SHAPE) - 1) / 2) * VOXEL_MM


def ball() -> np.ndarray[Any, Any]:
    """A ball of radius 12 mm in the middle of a stack."""
    return np.asarray(np.linalg.norm(world_mm(), axis=-1) < 12.0)


def head(te_s: float, seed: int) -> np.ndarray[Any, Any]:
    """A ball whose T2 is 0.2 s on one side and 0.1 s on the other, in faint noise."""
    x, y, _ = np.moveaxis(world_mm(), -1, 0)
    t2_s = np.where(x + 3 * np.sin(y / 4) < 0, 0.2, 0.1)
    noise = np.random.default_rng(seed).uniform(1, 3, SHAPE)
    return np.asarray(800 * np.exp(-te_s / t2_s) * ball() + noise, dtype=np.float32)


def make_dataset(root: Path) -> WriteStack:
    """Start a raw data set; returns the function that writes a stack into it.

    ``write("sub-01_acq-ax_echo-1_T2w", te_s=0.1, mask=True)`` writes image and sidecar, and with ``mask``
    a mask in ``derivatives/masks``. ``meta`` replaces the sidecar, ``change`` takes pixels and returns
    others, ``at_mm`` shifts the stack along x.
    """
    masks = root / "derivatives" / "masks"
    masks.mkdir(parents=True)
    description = {"Name": "test", "BIDSVersion": "1.10.0"}
    (root / "dataset_description.json").write_text(json.dumps(description))
    description |= {"DatasetType": "derivative"}
    (masks / "dataset_description.json").write_text(json.dumps({**description, "GeneratedBy": [{"Name": "hand"}]}))

    def write(
        name: str,
        te_s: float = 0.1,
        *,
        meta: Mapping[str, Any] | None = None,
        mask: bool = False,
        change: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]] | None = None,
        at_mm: float = 0.0,
    ) -> Path:
        folder = Path(*[part for part in name.split("_") if part.startswith(("sub-", "ses-"))]) / "anat"
        pixels = head(te_s, seed=len(name))
        image = write_image(root / folder / f"{name}.nii.gz", pixels if change is None else change(pixels), at_mm)
        content = {"EchoTime": te_s, "SliceThickness": 4.0} if meta is None else dict(meta)
        (image.parent / f"{name}.json").write_text(json.dumps(content))
        if mask:
            entities = name.rpartition("_")[0]
            brain = masks / folder / f"{entities}_desc-brain_mask.nii.gz"
            write_image(brain, ball().astype(np.uint8), at_mm)
        return image

    return write


def turn(path: Path, axes: tuple[int, int, int]) -> None:
    """Give an image another slice plane: the axes of the world change places."""
    image: Any = nib.load(path)
    values, affine = np.asarray(image.dataobj), image.affine[[*axes, 3]]
    path.unlink()
    nib.save(nib.Nifti1Image(values, affine), path)


def app(bids: Path, tmp_path: Path, *extra: str, masks: bool = True) -> int:
    """Run the participant level on ``bids`` into ``tmp_path / "out"``, quickly."""
    given = ["-d", f"masks={bids / 'derivatives' / 'masks'}"] if masks else []
    work = ["-w", str(tmp_path / "work")]
    return run([str(bids), str(tmp_path / "out"), "participant", *given, *work, *COARSE, *extra])


def three_echoes(write: WriteStack, subject: str = "01") -> None:
    for number, te_s in enumerate((0.08, 0.16, 0.24), start=1):
        write(f"sub-{subject}_acq-good_echo-{number}_T2w", te_s, mask=True)


@pytest.fixture(scope="session")
def new_dataset() -> Callable[[Path], WriteStack]:
    """:func:`make_dataset`, for tests that choose the folder themselves."""
    return make_dataset


@pytest.fixture
def bids(tmp_path: Path) -> Path:
    """Root of a raw data set, filled by ``write_stack``."""
    return tmp_path / "raw"


@pytest.fixture
def write_stack(bids: Path) -> WriteStack:
    """Writes a stack into ``bids``; see :func:`make_dataset`."""
    return make_dataset(bids)
