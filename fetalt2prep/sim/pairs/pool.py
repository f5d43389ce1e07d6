"""Pairs on disk."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from fetalt2prep.sim.array_pool import ArrayPool
from fetalt2prep.sim.pairs.pair import draw_pairs
from fetalt2prep.sim.pairs.plan import PairOptions


def pair_pool(
    folder: Path, n_scenes: int, options: PairOptions | None = None, *, seed: int = 0, n_workers: int = 0
) -> ArrayPool:
    """A folder of scenes, one file each, (slice,) of :func:`fetalt2prep.sim.pairs.pair.pair_dtype`."""
    return ArrayPool(
        folder, n_scenes, partial(draw_pairs, options=options), name="pairs", seed=seed, n_workers=n_workers
    )
