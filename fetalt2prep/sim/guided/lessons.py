"""Samples on which the network of guided super-resolution is trained."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.core.guided.learn import Draw, LearnOptions, Lesson
from fetalt2prep.core.train_state import n_joined
from fetalt2prep.sim.array_pool import ArrayPool
from fetalt2prep.sim.guided.case import draw_guided_case, draw_patch
from fetalt2prep.sim.guided.relaxation_maps import draw_fine

FACTORS = (2, 4)
GAIN_SPREAD = 0.04  # of a guide's scale as it is found from coarse maps
LEAST_SHARE = 0.15  # of a patch that is brain; emptier ones are drawn again


def head_pool(folder: Path, n_heads: int, *, seed: int = 0, n_workers: int = 0) -> ArrayPool:
    """A folder of heads, one file each; see :func:`fetalt2prep.sim.guided.relaxation_maps.draw_fine`."""
    return ArrayPool(folder, n_heads, draw_fine, name="head", seed=seed, n_workers=n_workers)


def lessons(read: Callable[[int], NDArray[Any]], options: LearnOptions) -> Draw:
    """Draws the samples of a training: head, patch, factor, sequences, scales, noise, and guides that are shown."""
    return partial(_draw_lesson, read, options)


def _draw_lesson(read: Callable[[int], NDArray[Any]], options: LearnOptions, step: int, number: int) -> Lesson:
    rng = np.random.default_rng([options.seed, step, number])
    known = n_joined(options.n_heads, options.n_first, step, options.n_steps)
    fine = read(int(rng.integers(known)))
    maps = draw_patch(rng, fine, options.side)
    while maps.mask.mean() < LEAST_SHARE:
        maps = draw_patch(rng, fine, options.side)
    case = draw_guided_case(rng, maps, int(rng.choice(FACTORS)))
    names = list(options.guides)
    if len(names) > 1 and rng.random() < options.drop_guide:
        names.pop(int(rng.integers(len(names))))
    found = {name: case.gains[name] * float(np.exp(GAIN_SPREAD * rng.standard_normal())) for name in case.gains}
    return Lesson(case.coarse, [case.guides[name] for name in names], case.gains, found, case.see, case.mask)
