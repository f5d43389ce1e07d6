"""Drawn arrays on disk: drawn once, in the background if asked, and read in any order."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Draw = Callable[[int], NDArray[Any]]
"""Seed -> array; the same seed gives the same array. With workers it must be something that can be pickled."""


class ArrayPool:
    """A folder of drawn arrays, one file each.

    Array ``n`` is drawn from ``seed + n`` and is the same whoever draws it and when. What an earlier run left is
    used again. With workers, arrays are drawn side by side in the order of their numbers while others are read;
    with none, each is drawn when it is first asked for.
    """

    def __init__(
        self, folder: Path, n_arrays: int, draw: Draw, *, name: str, seed: int = 0, n_workers: int = 0
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.n_arrays, self.draw, self.name, self.seed = folder, n_arrays, draw, name, seed
        self._executor: ProcessPoolExecutor | None = None
        self._running: dict[int, Future[None]] = {}
        if n_workers:
            self._executor = ProcessPoolExecutor(n_workers, mp_context=get_context("spawn"))
            for n in range(n_arrays):
                if not self.path(n).exists():
                    self._running[n] = self._executor.submit(_write, self.path(n), draw, seed + n)

    def path(self, n: int) -> Path:
        """File of array ``n``."""
        return self.folder / f"{self.name}_seed-{self.seed + n:07d}.npy"

    def read(self, n: int) -> NDArray[Any]:
        """Array ``n`` as a view of its file; waits for it where it is being drawn."""
        if not 0 <= n < self.n_arrays:
            raise ValueError(f"{self.name} {n} was asked for; the pool holds 0 to {self.n_arrays - 1}.")
        if not self.path(n).exists():
            if n in self._running:
                self._running.pop(n).result()
            else:
                _write(self.path(n), self.draw, self.seed + n)
        return np.asanyarray(np.load(self.path(n), mmap_mode="r"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)


def _write(path: Path, draw: Draw, seed: int) -> None:
    """Draw and store an array; the file appears whole or not at all."""
    values = draw(seed)
    partial = path.with_name(f".{path.name}.{time.monotonic_ns()}")
    with partial.open("wb") as stream:
        np.save(stream, values)
    partial.replace(path)
