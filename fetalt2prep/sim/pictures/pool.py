"""Pictures on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.sim.array_pool import ArrayPool
from fetalt2prep.sim.pictures.picture import draw_picture


class PicturePool(ArrayPool):
    """A folder of synthetic stacks, one file each, (2, slice, y, x): pixels and share of brain."""

    def __init__(self, folder: Path, n_pictures: int, *, seed: int = 0, n_workers: int = 0) -> None:
        super().__init__(folder, n_pictures, _stacked, name="picture", seed=seed, n_workers=n_workers)

    @property
    def n_pictures(self) -> int:
        """Stacks in the pool."""
        return self.n_arrays


def _stacked(seed: int) -> NDArray[np.float16]:
    picture = draw_picture(seed)
    return np.stack((picture.pixels, (picture.target / np.float32(255)).astype(np.float16)))
