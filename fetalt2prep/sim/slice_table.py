"""The recorded draws of a session as one table, a row per slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.sim.acquisition import SliceEffects, StackPlan
from fetalt2prep.sim.motion import PoseTable

TRANSFORM_COLUMNS = tuple(f"m{row}{column}" for row in range(3) for column in range(4))


def slice_table(
    plans: Sequence[StackPlan], poses: PoseTable, effects: SliceEffects, masks: Sequence[NDArray[np.bool_]]
) -> dict[str, NDArray[np.generic]]:
    """Columns of (slice,): where, when, pose, transform, gain, void, and how much brain was seen.

    rot_*_deg, shift_*_mm: motion of the head, scanner axes, about its middle at rest. m00..m23: 3x4
    row-major, world point as the stack's affine has it -> where that tissue lies in the truth (the inverse
    motion).
    """
    counts = [plan.shape[2] for plan in plans]
    names = {axis: k for k, axis in enumerate("xyz")}
    columns: dict[str, NDArray[np.generic]] = {
        "stack": np.repeat([plan.label for plan in plans], counts),
        "slice": np.concatenate([np.arange(n) for n in counts]),
        "time_s": np.concatenate([plan.slice_times_s for plan in plans]),
        "te_s": np.repeat([plan.te_s for plan in plans], counts),
    }
    columns |= {f"rot_{axis}_deg": poses.rotation_deg[:, k] for axis, k in names.items()}
    columns |= {f"shift_{axis}_mm": poses.shift_mm[:, k] for axis, k in names.items()}
    rows = effects.world_to_rest[:, :3].reshape(-1, 12)
    columns |= {name: rows[:, k] for k, name in enumerate(TRANSFORM_COLUMNS)}
    columns["gain"] = effects.gains
    columns |= {f"void_{field.name}": getattr(effects.voids, field.name) for field in fields(effects.voids)}
    columns["n_brain_pixels"] = np.concatenate([mask.sum((0, 1)) for mask in masks])
    return columns
