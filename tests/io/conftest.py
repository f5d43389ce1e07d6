"""Small files on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

SHAPE = (12, 10, 6)
AFFINE = np.array([[1.5, 0, 0, -9], [0, 1.5, 0, -7], [0, 0, 4.0, -10], [0, 0, 0, 1.0]])
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write an array as NIfTI and return its path; without an array, a stack of pixels between 50 and 150."""

    def _write(
        name: str, values: np.ndarray | None = None, affine: np.ndarray = AFFINE, dtype: str = "float32"
    ) -> Path:
        if values is None:
            values = np.random.default_rng(0).uniform(50, 150, SHAPE)
        path = tmp_path / name
        nib.save(nib.Nifti1Image(np.asarray(values).astype(dtype), affine), path)
        return path

    return _write


@pytest.fixture
def brain() -> np.ndarray:
    """A box inside the stack."""
    mask = np.zeros(SHAPE, dtype=bool)
    mask[3:9, 2:8, 1:5] = True
    return mask
