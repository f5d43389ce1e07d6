"""Pictures on disk: drawn once, in the background if asked, and read in any order."""

from __future__ import annotations

import time
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.sim.pictures.picture import draw_picture


class PicturePool:
    """A folder of synthetic stacks, one file each, (2, slice, y, x): pixels and share of brain.

    Picture ``n`` is drawn from ``seed + n`` and is the same whoever draws it and when. What an earlier run left is
    used again. With workers, pictures are drawn side by side in the order of their numbers while others are read;
    with none, each is drawn when it is first asked for.
    """

    def __init__(self, folder: Path, n_pictures: int, *, seed: int = 0, n_workers: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.n_pictures, self.seed = folder, n_pictures, seed
        self._executor: ProcessPoolExecutor | None = None
        self._running: dict[int, Future[None]] = {}
        if n_workers:
            self._executor = ProcessPoolExecutor(n_workers, mp_context=get_context("spawn"))
            for n in range(n_pictures):
                if not self.path(n).exists():
                    self._running[n] = self._executor.submit(_write, self.path(n), seed + n)

    def path(self, n: int) -> Path:
        """File of picture ``n``."""
        return self.folder / f"picture_seed-{self.seed + n:07d}.npy"

    def read(self, n: int) -> NDArray[np.float16]:
        """Picture ``n``, (2, slice, y, x), as a view of its file; waits for it where it is being drawn."""
        if not 0 <= n < self.n_pictures:
            raise ValueError(f"picture {n} was asked for; the pool holds 0 to {self.n_pictures - 1}.")
        if not self.path(n).exists():
            if n in self._running:
                self._running.pop(n).result()
            else:
                _write(self.path(n), self.seed + n)
        values: NDArray[np.float16] = np.load(self.path(n), mmap_mode="r")
        return values

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)


def _write(path: Path, seed: int) -> None:
    """Draw and store a picture; the file appears whole or not at all."""
    picture = draw_picture(seed)
    partial = path.with_name(f".{path.name}.{time.monotonic_ns()}")
    with partial.open("wb") as stream:
        np.save(stream, np.stack((picture.pixels, (picture.target / np.float32(255)).astype(np.float16))))
    partial.replace(path)
